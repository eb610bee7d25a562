"""A real HDFS out of `../shared/peers/hadoop` (or LOGFLUME_HDFS_PEER): a name node, data nodes, Hadoop's shell."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = (ROOT.parent / "shared/peers/hadoop/hdfs", Path("/work/shared/peers/hadoop/hdfs"))
_PORTS = (20, 70, 100, 101, 102, 110, 111, 112)
"""What the peer adds to its base."""


def script() -> str:
    """The peer's script; skips the test where there is none, or no Java to run it."""
    given = os.environ.get("LOGFLUME_HDFS_PEER")
    found = next((path for path in ([Path(given)] if given else PLACES) if path.is_file()), None)
    if found is None:
        pytest.skip("no HDFS peer (LOGFLUME_HDFS_PEER)")
    if not shutil.which("java"):
        pytest.skip("no Java for the HDFS peer")
    return str(found)


def _free_base() -> int:
    for base in range(20_000 + os.getpid() % 50 * 200, 32_000, 200):
        try:
            for port in _PORTS:
                with socket.socket() as one:
                    one.bind(("127.0.0.1", base + port))
        except OSError:
            continue
        return base
    pytest.fail("no free ports for HDFS")


class Hdfs:
    """One file system; `down` when done.

    Parameters: a directory for its files; how many data nodes, and on how many of them a block is.
    """

    def __init__(self, where: Path, nodes: int = 1) -> None:
        self._script = script()
        self._env = {
            **os.environ,
            "HDFS_PEER_DIR": str(where),
            "HDFS_PORT_BASE": str(_free_base()),
            "HDFS_REPLICATION": str(nodes),
            "HADOOP_USER_NAME": "root",
        }
        self._nodes = nodes

    def up(self) -> None:
        """Start what is not up, and wait until it can be written to."""
        self.run("up", str(self._nodes))

    def run(self, *args: str) -> str:
        """A command of the peer: its standard output. Fails the test when it fails."""
        done = subprocess.run(
            [self._script, *args],
            env=self._env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{args}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    @cached_property
    def uri(self) -> str:
        """hdfs://host:port"""
        return self.run("uri").strip()

    @cached_property
    def _client(self) -> Any:
        import hdfs_native

        return hdfs_native.Client(self.uri)

    @property
    def conf(self) -> str:
        """Directory with core-site.xml and hdfs-site.xml."""
        return self.run("conf").strip()

    def down(self) -> None:
        """Stop all, and delete it."""
        subprocess.run(
            [self._script, "down", "--wipe"],
            env=self._env,
            capture_output=True,
            timeout=120,
            check=False,
        )

    def paths(self, below: str) -> list[str]:
        """Every file below a directory; none when that is not there."""
        try:
            found = [one.path for one in self._client.list_status(below, True) if not one.isdir]
        except FileNotFoundError:
            return []
        return sorted(found)

    def content(self, path: str) -> bytes:
        """A file that nobody writes to any more."""
        reader = self._client.read(path)
        size = self._client.get_file_info(path).length
        return bytes(reader.read(size)) if size else b""

    def contents(self, below: str) -> dict[str, bytes]:
        """Every file below a directory."""
        return {path: self.content(path) for path in self.paths(below)}
