"""Runs the benchmarks and writes the report: `make bench`, `make bench-quick`.

    .venv/bin/python -m bench --scale=full [arguments of pytest]

At full scale every file runs in a process of its own: all start from the same state, and what one of them does, be it
that it crashes or hangs, costs its own figures only. The quick look is one process.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "build" / "bench" / "runs"
PAGES = {"test_agent", "test_broker"}  # minutes each; make targets of their own
FILE_SECONDS_MAX = 600
NONE_CHOSEN = 5  # pytest's exit status where -k leaves nothing


def touch_memory() -> None:
    """Memory that a virtual machine never touched costs up to ten times as much on first touch."""
    block = bytearray(4 << 30)
    del block


def measure(files: list[Path], scale: str, arguments: list[str]) -> str:
    """Runs pytest on some files; what went wrong, or nothing."""
    result = RUNS / f"{files[0].stem if len(files) == 1 else 'all'}.json"
    words = [sys.executable, "-m", "pytest", *map(str, files), f"--scale={scale}"]
    words += ["--benchmark-only", "--benchmark-quiet", f"--timeout={FILE_SECONDS_MAX // 2}"]
    words += [f"--benchmark-json={result}", "-Wignore:Not saving anything", *arguments]
    try:
        status = subprocess.run(words, cwd=ROOT, timeout=FILE_SECONDS_MAX, check=False).returncode
    except subprocess.TimeoutExpired:
        return f"took more than {FILE_SECONDS_MAX} s"
    return "" if status in (0, NONE_CHOSEN) else f"exit status {status}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", choices=["quick", "full"], default="quick")
    given, arguments = parser.parse_known_args()
    # A run that is told to stop takes the process that measures with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    RUNS.mkdir(parents=True, exist_ok=True)
    for old in RUNS.glob("*.json"):
        old.unlink()
    files = [path for path in sorted(ROOT.glob("bench/test_*.py")) if path.stem not in PAGES]
    full = given.scale == "full"
    if full:
        touch_memory()
    failed, began = {}, time.monotonic()
    for some in [[path] for path in files] if full else [files]:
        started = time.monotonic()
        name = some[0].stem if full else "all"
        if reason := measure(some, given.scale, arguments):
            failed[name] = reason
        print(f"{name}: {time.monotonic() - started:.0f} s {reason}", flush=True)
    print(f"measured for {(time.monotonic() - began) / 60:.1f} minutes", flush=True)
    found = [path for path in sorted(RUNS.glob("*.json")) if path.stat().st_size]
    if found:
        words = [sys.executable, "-m", "bench.report", *map(str, found), f"--scale={given.scale}"]
        subprocess.run(words if full else [*words, "--print"], cwd=ROOT, check=True)
    for name, reason in failed.items():
        print(f"FAILED: {name}, {reason}; its figures are missing", flush=True)
    return int(bool(failed) or not found)


if __name__ == "__main__":
    raise SystemExit(main())
