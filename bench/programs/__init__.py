"""Programs that benchmarks start as processes of their own, each run as `python -m bench.programs.<name>`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["ROOT", "start"]

ROOT = Path(__file__).resolve().parents[2]


def start(name: str, *arguments: object) -> subprocess.Popen[bytes]:
    """Starts a program with pipes to its standard input and output."""
    return subprocess.Popen(
        [sys.executable, "-m", f"bench.programs.{name}", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
