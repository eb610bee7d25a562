"""The sessions of docs/guide/cli.md, typed in order; numbers, times and ids may differ, words may not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "cli.md"


def sessions() -> list[tuple[str, list[str]]]:
    """(command, lines it prints) of the page's console blocks, in order."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(), re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def shape(lines: list[str]) -> list[str]:
    """What must agree: not the numbers, the spaces that set them in columns, paths, ids."""
    out = []
    for line in lines:
        line = re.sub(r"/[\w/.-]*logflume-data", "DATA", line)
        line = re.sub(r"\bid [\w-]{22}", "id ID", line)
        line = re.sub(r"[\d.]+(?: [kMG])?/s", "RATE", line)
        line = re.sub(r"[\d.,]+ (?:B|KiB)\b", "SIZE", line)
        line = re.sub(r"\d[\d,:.T-]*Z?", "0", line)
        out.append(" ".join(line.split()))
    return out


def test_the_sessions_of_the_guide(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LOGFLUME_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    code = 0
    commands = sessions()
    assert len(commands) > 30
    for command, expected in commands:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command.replace("$?", str(code))],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        code = done.returncode
        printed = (done.stdout + done.stderr).splitlines()
        assert shape(printed) == shape(expected), command
        if not expected or not any(line.startswith(("logflume: ", "damage: ")) for line in printed):
            assert code == 0, command


def test_the_guide_shows_every_command() -> None:
    import logflume.cli.app as table

    text = PAGE.read_text()
    for name in table.app:
        if not name.startswith("-"):
            assert re.search(rf"`?{name}\b", text), name
