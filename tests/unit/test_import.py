"""What `import logflume` may bring in: bench/test_import.py measures the budget, this holds its cause."""

from __future__ import annotations

import subprocess
import sys

# Each costs milliseconds or pulls in what does; the package imports them where they are used.
HEAVY = {
    "numpy",
    "pyarrow",
    "polars",
    "duckdb",
    "asyncio",
    "ssl",
    "typing",
    "inspect",
    "dataclasses",
    "logging",
    "multiprocessing",
    "subprocess",
    "concurrent.futures",
    "urllib.request",
    "importlib.metadata",
    "cyclopts",
    "rich",
}
# -S: the site module of an editable install imports what is none of the package's doing.
SHOW = """
import sys
sys.path[:0] = {path!r}
before = set(sys.modules)
import {name}
print(*(set(sys.modules) - before))
"""


def imported_by(name: str) -> set[str]:
    code = SHOW.format(path=[entry for entry in sys.path if entry], name=name)
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_import_brings_in_nothing_heavy() -> None:
    assert imported_by("logflume") & HEAVY == set()


def test_errors_and_types_bring_in_nothing_heavy() -> None:
    assert imported_by("logflume.errors, logflume.types") & HEAVY == set()
