"""A real Flume out of `../shared/peers/flume` (or LOGFLUME_FLUME_PEER): agents, and its Avro client."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = (ROOT.parent / "shared/peers/flume/flume", Path("/work/shared/peers/flume/flume"))


def script() -> str:
    """The peer's script; skips the test where there is none, or no Java to run it."""
    given = os.environ.get("LOGFLUME_FLUME_PEER")
    found = next((path for path in ([Path(given)] if given else PLACES) if path.is_file()), None)
    if found is None:
        pytest.skip("no Flume peer (LOGFLUME_FLUME_PEER)")
    if not shutil.which("java"):
        pytest.skip("no Java for the Flume peer")
    return str(found)


def environment() -> dict[str, str]:
    return {**os.environ, "FLUME_JAVA_OPTS": "-Xms64m -Xmx384m"}


def avro_client(port: int, path: Path) -> None:
    """Send a file's lines with Flume's own client. Fails the test when it fails."""
    done = subprocess.run(
        [script(), "avro-client", "127.0.0.1", str(port), str(path)],
        capture_output=True,
        text=True,
        timeout=110,
        env=environment(),
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@contextmanager
def agent(configuration: Path, name: str = "a1", *ports: int, java: str = "") -> Iterator[Path]:
    """A Flume agent; ends with the block. Waits until it listens on `ports`. The log is what is given."""
    log = configuration.with_suffix(".log")
    with log.open("wb") as out:
        words = [script(), "run", str(configuration), name, "--no-reload-conf"]
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment()
        )
    try:
        end = time.monotonic() + 90
        while not _is_up(log, ports):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < end, log.read_text()[-3000:]
            time.sleep(0.1)
        yield log
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(60)


def _is_up(log: Path, ports: tuple[int, ...]) -> bool:
    if not ports:
        return " started" in log.read_text()
    for port in ports:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
