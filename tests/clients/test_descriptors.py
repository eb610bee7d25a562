"""A broker that runs out of descriptors closes newcomers, says why, and goes on."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

from confluent_kafka import Producer

LIMIT = 100


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_newcomers_are_closed_while_there_are_too_many(tmp_path: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT // 2, LIMIT))

    command = [sys.executable, "-m", "logflume", "serve", str(tmp_path / "data")]
    crowd: list[socket.socket] = []
    with (
        open(tmp_path / "log", "wb") as log,
        subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=log,
            preexec_fn=limited,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            bootstrap = process.stdout.readline().decode().rpartition(" on ")[2].strip()
            host, port = bootstrap.split(":")
            client = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
            client.produce("t", b"before")
            assert client.flush(60) == 0
            for _ in range(2 * LIMIT):
                crowd.append(socket.create_connection((host, int(port)), timeout=30))
            before = cpu_s(process.pid)
            time.sleep(1.0)
            assert cpu_s(process.pid) - before < 0.5  # it does not try again and again to accept
            # Its own files can still be opened: a new topic, by the connection that is there.
            client.produce("another", b"x")
            assert client.flush(60) == 0
            # More than the soft limit that it was started with.
            assert len(list(Path(f"/proc/{process.pid}/fd").iterdir())) > LIMIT // 2
            for one in crowd:
                one.close()
            crowd.clear()
            newcomer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
            assert newcomer.list_topics(timeout=60).brokers
        finally:
            for one in crowd:
                one.close()
            process.terminate()
            process.wait(60)
    assert f"event=out_of_descriptors limit={LIMIT}" in (tmp_path / "log").read_text()
