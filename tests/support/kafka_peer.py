"""A real Kafka out of `../shared/peers/kafka` (or LOGFLUME_KAFKA_PEER): one node, its tools, its directories."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from support.partitions import Row

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(os.environ.get("LOGFLUME_KAFKA_PEER", ROOT.parent / "shared/peers/kafka/kafka"))

# What the dump tool says of faults; it exits 0 in spite of most.
FAULTS = (
    "isvalid: false",
    "invalid bytes at the end of",
    " is followed by ",  # non-consecutive offsets
    "Mismatches in :",
    "Found timestamp mismatch in :",
    "Found out of order timestamp in :",
    "Exception",
    "corrupt",
)

ADDRESS = re.compile(r"^[\d.]+:\d+(,[\d.]+:\d+)*$")
RECORD = re.compile(
    r"^\| offset: (\d+) (?:CreateTime|LogAppendTime): (-?\d+) keySize: (-?\d+) valueSize: (-?\d+) "
    r".*?headerKeys: \[(.*?)\](?: key: (.*?))?(?: payload: (.*))?$"
)


def script() -> str:
    """The peer's script; skips the test where there is none, or no Java to run it."""
    if not SCRIPT.is_file():
        pytest.skip(f"no Kafka peer at {SCRIPT} (LOGFLUME_KAFKA_PEER)")
    if not shutil.which("java"):
        pytest.skip("no Java for the Kafka peer")
    return str(SCRIPT)


def run(*args: str) -> str:
    """One command of the peer: its output, standard error included. Raises when it fails."""
    done = _run(*args)
    assert done.returncode == 0, f"{args}: {done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def up(where: Path, *options: str) -> str:
    """Starts the cluster in `where` (again, on its data); its address."""
    done = _run("-d", str(where), "up", *options)
    for _ in range(8):
        # The script draws a cluster id; one in 64 begins with "-", which Kafka's formatter takes for an option.
        if "--cluster-id/-t: expected one argument" not in done.stderr:
            break
        shutil.rmtree(where, ignore_errors=True)
        done = _run("-d", str(where), "up", *options)
    assert done.returncode == 0, f"up: {done.stdout}\n{done.stderr}"
    return next(line for line in done.stdout.splitlines() if ADDRESS.match(line))


def _run(*args: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KAFKA_HEAP": "256m"}
    return subprocess.run(
        [script(), *args], capture_output=True, text=True, timeout=180, env=environment, check=False
    )


def dump(files: Iterable[Path], *flags: str) -> str:
    """What kafka-dump-log prints; fails the test when it names a fault."""
    out = run("tool", "kafka-dump-log", *flags, "--files", ",".join(map(str, files)))
    # The tool starts counting at -1, also in a segment that starts elsewhere.
    lines = [line for line in out.splitlines() if "  -1 is followed by " not in line]
    faults = [line for line in lines if any(fault in line for fault in FAULTS)]
    assert not faults, faults
    return out


def dumped_rows(out: str) -> list[tuple[Row, str]]:
    """Records that `--print-data-log` printed, each with the names of its headers; keys and values were ASCII."""
    rows = []
    for line in out.splitlines():
        if match := RECORD.match(line):
            offset, timestamp, key_size, value_size, names, key, value = match.groups()
            row = Row(
                int(offset),
                int(timestamp),
                None if int(key_size) < 0 else (key or "").encode(),
                None if int(value_size) < 0 else (value or "").encode(),
            )
            rows.append((row, names))
    return rows


class Broker:
    """One Kafka node with all its data in `where`."""

    def __init__(self, where: Path) -> None:
        self.where = where
        self.data = where / "node1" / "data"

    def up(self, *options: str) -> str:
        """Starts it (again, on its data); its address."""
        return up(self.where, *options)

    def down(self, *, wipe: bool = False) -> None:
        run("-d", str(self.where), "down", *(["--wipe"] if wipe else []))
