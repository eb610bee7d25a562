"""Steps of the native build: commands skipped while their output is fresh, and what checks them.

Used by setup.py only. A step is fresh when its output is newer than all its inputs and was made by
the same command line; of C files the compiler's own dependency file names the headers.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path


class BuildFailed(Exception):
    """A compiler said no; its own message is already printed."""


class Steps:
    """Runs a command when its output is missing, older than an input, or was made by another command."""

    def __init__(self, *, force: bool) -> None:
        self.force = force

    def run(
        self, output: Path, inputs: list[Path], command: list[str], depfile: Path | None = None
    ) -> bool:
        """Returns whether the command ran. Raises BuildFailed when it fails."""
        record = output.with_name(output.name + ".cmd")
        line = shlex.join(command)
        if not self.force and self._fresh(output, inputs, depfile, record, line):
            return False
        output.parent.mkdir(parents=True, exist_ok=True)
        record.unlink(missing_ok=True)
        output.unlink(missing_ok=True)
        print(f"  {Path(command[0]).name:>8}  {output.name}", flush=True)
        result = subprocess.run(
            command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if result.stdout.strip():
            print(result.stdout, end="", flush=True)
        if result.returncode:
            output.unlink(missing_ok=True)
            raise BuildFailed(f"{output.name}: exit {result.returncode} of: {line}")
        record.write_text(line)
        return True

    @staticmethod
    def _fresh(
        output: Path, inputs: list[Path], depfile: Path | None, record: Path, line: str
    ) -> bool:
        if not output.exists() or not record.exists() or record.read_text() != line:
            return False
        needed = list(inputs)
        if depfile is not None:
            if not depfile.exists():
                return False
            words = depfile.read_text().replace("\\\n", " ").split()
            needed += [Path(word) for word in words if not word.endswith(":")]
        made = output.stat().st_mtime_ns
        return all(path.exists() and path.stat().st_mtime_ns <= made for path in needed)


CIMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+cimport|cimport\s+([\w.]+))", re.MULTILINE)


def cython_inputs(source: Path) -> list[Path]:
    """A .pyx and the .pxd files it depends on: its own (Cython's depfile leaves that out) and what these cimport."""
    found: list[Path] = []
    waiting = [source, Path("src/logflume/_native") / f"{source.stem}.pxd"]
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        found.append(path)
        named = ("".join(groups).split(".") for groups in CIMPORT.findall(path.read_text()))
        waiting += [Path("src", *parts).with_suffix(".pxd") for parts in named]
    return found


def replace_when_changed(source: Path, target: Path) -> None:
    """Moves a new file in by name: a process that has the old module mapped keeps the old one and lives."""
    if target.exists() and target.read_bytes() == source.read_bytes():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copy2(source, fresh)
    os.replace(fresh, target)


def check_symbols(built: Path, core: Path) -> None:
    """A core function that no listed source defines would show only at import, as a missing symbol."""
    unknown = core_symbols(built, "--undefined-only") - core_symbols(core, "--defined-only")
    if unknown:
        built.unlink()
        raise BuildFailed(f"not defined by any file in CORE_SOURCES: {', '.join(sorted(unknown))}")


def core_symbols(library: Path, which: str) -> set[str]:
    """Names of the core's functions that a shared library defines or wants."""
    names = subprocess.run(
        ["nm", "-D", which, str(library)], capture_output=True, text=True, check=True
    )
    return {word for word in names.stdout.split() if word.startswith("lf_")}
