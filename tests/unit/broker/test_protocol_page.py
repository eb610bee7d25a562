"""docs/PROTOCOL.md has what the handlers' cards say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_table_is_that_of_the_handlers() -> None:
    tool = [sys.executable, str(ROOT / "tools" / "gen_protocol_docs.py"), "--check"]
    done = subprocess.run(tool, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
