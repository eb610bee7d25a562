"""What an import costs over the bare interpreter."""

from __future__ import annotations

import subprocess
import sys

from bench.harness import Contest, Contestant, Goal, Role, Took, fixed
from bench.programs import ROOT

TIMED = """
import time
began = time.perf_counter()
{}
print(time.perf_counter() - began)
"""
PEERS = (
    "lmdb",
    "sqlite3",
    "rocksdict",
    "persistqueue",
    "pyarrow",
    "confluent_kafka",
    "kafka",
    "aiokafka",
)


def importing(name: str, role: Role, code: str) -> Contestant:
    """The time of the statement in an interpreter that has just started."""
    words = [sys.executable, "-c", TIMED.format(code)]

    def job() -> Took:
        found = subprocess.run(words, check=True, cwd=ROOT, capture_output=True)
        return Took(float(found.stdout))

    return fixed(name, role, 1, job)


def test_import(contest: Contest) -> None:
    contest.run(
        "Import",
        [
            importing("import logflume", "logflume", "import logflume"),
            importing("with logflume.open", "logflume", "import logflume; logflume.open"),
            *(importing(f"import {name}", "peer", f"import {name}") for name in PEERS),
        ],
        about="in an interpreter that has just started; `import logflume` defers nearly all,"
        " `logflume.open` brings it with numpy",
        unit="starts",
        rounds=9 if contest.scale.name == "full" else 3,
        cpu="unseen",
        goals=[Goal("import logflume", "≤ +15 ms", at_most=15e6)],
    )
