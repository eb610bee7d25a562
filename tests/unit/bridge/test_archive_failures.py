"""Archives when something fails: uploads cut in the middle, kill -9 at any moment, damage in the store."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import logflume
from logflume import bridge, errors
from logflume.bridge.archive.objects import Objects
from support import s3

COPIER = """
import sys, logflume
from logflume import bridge
with logflume.open(sys.argv[1]) as log:
    archive = bridge.open_archive(sys.argv[2])
    print("begun", flush=True)
    if sys.argv[3] == "in":
        bridge.fill(log, archive, follow=True, interval_s=0.01)
    else:
        bridge.restore(archive, log)
"""


def write(log: logflume.Log, rounds: int, count: int = 200) -> None:
    for i in range(rounds):
        log.partition("t", i % 2).append_many([b"%d" % i + bytes(2000)] * count)


@pytest.fixture
def filled(source: logflume.Log) -> logflume.Log:
    source.create_topic("t", partitions=2, config={"retention.ms": -1})
    write(source, 10)
    return source


class Failing(Objects):
    """The n-th call that changes something fails: before it, in the middle of it, or after it."""

    at = 0
    how = "before"
    calls = 0

    def _fail(self, moment: str) -> None:
        if moment == "before":
            Failing.calls += 1
        if Failing.calls == Failing.at and self.how == moment:
            raise errors.StoreUnavailable(address=self.address, reason=f"injected {moment}")

    def write(self, key: str, data: bytes) -> None:
        self._fail("before")
        if Failing.calls == Failing.at and self.how == "torn":
            super().write(key, data[: len(data) // 2])
            raise errors.StoreUnavailable(address=self.address, reason="injected, torn")
        super().write(key, data)
        self._fail("after")

    def create(self, key: str, data: bytes) -> bool:
        self._fail("before")
        done = super().create(key, data)
        self._fail("after")
        return done

    def delete(self, keys) -> None:
        self._fail("before")
        super().delete(keys)
        self._fail("after")


@pytest.mark.parametrize("how", ["before", "torn", "after"])
def test_a_failure_at_any_step_leaves_a_whole_archive(filled, tmp_path, monkeypatch, how):
    monkeypatch.setattr("logflume.bridge.archive.archive.Objects", Failing)
    address = f"memory://failing-{tmp_path}"
    Failing.at, Failing.how = 0, how
    bridge.mirror(filled, bridge.open_archive(address))
    for step in range(1, 12):
        write(filled, 2, 5)
        ends = [p.end_offset for p in bridge.open_archive(address)["t"]]
        Failing.calls, Failing.at = 0, step
        try:
            bridge.mirror(filled, bridge.open_archive(address))
        except errors.StoreUnavailable:
            pass
        Failing.at = 0
        whole = bridge.open_archive(address)
        assert all(a >= b for a, b in zip([p.end_offset for p in whole["t"]], ends))
        bridge.compare(filled, whole, "t")
    bridge.mirror(filled, bridge.open_archive(address))
    archive = bridge.open_archive(address)
    assert bridge.compare(filled, archive, "t") == sum(p.end_offset for p in filled["t"])


@pytest.mark.crash
@pytest.mark.parametrize("kind", ["file", "s3"])
def test_killed_at_any_moment(filled, tmp_path, kind, request):
    environment = dict(os.environ)
    address = f"file://{tmp_path}/archive"
    if kind == "s3":
        endpoint = request.getfixturevalue("s3_endpoint")
        environment = s3.environment(endpoint)
        address = f"s3://bucket/killed-{os.getpid()}?endpoint={endpoint}"
        patch = request.getfixturevalue("monkeypatch")
        for name, value in environment.items():
            if name.startswith("AWS_"):
                patch.setenv(name, value)
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chosen = random.Random(seed)

    def killed(directory, way: str, seconds: float = 0.5) -> None:
        command = [sys.executable, "-c", COPIER, str(directory), address, way]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        child = subprocess.Popen(command, env=environment, **pipes)
        assert child.stdout
        child.stdout.readline()  # however long the interpreter takes to get there
        until = time.monotonic() + chosen.uniform(0, seconds)
        while time.monotonic() < until and child.poll() is None:
            write(filled, 2, 20)
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        _, said = child.communicate()
        assert b"Error" not in said, said

    seen = rounds = 0
    while rounds < 8 or not seen:  # each time it may live longer
        rounds += 1
        assert rounds < 30
        killed(filled.path, "in", 0.5 * rounds)
        archive = bridge.open_archive(address)
        if "t" in archive:
            count = bridge.compare(filled, archive, "t")
            assert count >= seen
            seen = count
    bridge.mirror(filled, bridge.open_archive(address))
    for _ in range(4):
        killed(tmp_path / "target", "out")
    archive = bridge.open_archive(address)
    with logflume.open(tmp_path / "target") as target:
        bridge.mirror(archive, target)
        assert bridge.compare(archive, target, "t") == sum(p.end_offset for p in archive["t"])
    # What killed writers left behind is gone: every object is needed, or waits for its readers to go.
    stored = set(archive.objects.keys("data/"))
    needed = {p.key("t", n) for n in range(2) for p in archive.partition("t", n).pieces}
    assert stored - needed <= {key for key, _ in archive.snapshot.trash}


def test_damage_is_named_and_never_restored(filled, target, tmp_path):
    address = f"file://{tmp_path}/archive"
    bridge.mirror(filled, bridge.open_archive(address))
    (path,) = (tmp_path / "archive/data/t/1").iterdir()
    good = path.read_bytes()
    for bad in (good[:-100], good[:5000] + b"!" + good[5001:], b""):
        path.write_bytes(bad)
        with pytest.raises(errors.CorruptRecord) as caught:
            bridge.mirror(bridge.open_archive(address), target)
        assert path.name in caught.value.path
    path.unlink()
    with pytest.raises(errors.ObjectMissing):
        bridge.mirror(bridge.open_archive(address), target)
    path.write_bytes(good)
    bridge.mirror(bridge.open_archive(address), target)
    assert bridge.compare(filled, target, "t") == 2000
    newest = max((tmp_path / "archive/snapshots").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1] + b" ")
    with pytest.raises(errors.CorruptRecord) as caught:
        bridge.open_archive(address)
    assert newest.name in caught.value.path


def test_a_connection_cut_in_the_middle_is_tried_again(filled, target, s3_endpoint, monkeypatch):
    with cutting_proxy(int(s3_endpoint.rpartition(":")[2])) as (port, cuts):
        for name, value in s3.environment(f"http://127.0.0.1:{port}").items():
            if name.startswith("AWS_"):
                monkeypatch.setenv(name, value)
        address = f"s3://bucket/cut-{os.getpid()}"
        bridge.mirror(filled, bridge.open_archive(address))
        bridge.mirror(bridge.open_archive(address), target)
        assert len(cuts) >= 2
    assert bridge.compare(filled, target, "t") == 2000


def test_a_store_that_is_not_there(monkeypatch):
    monkeypatch.setattr("logflume.bridge.archive.objects._RETRY_S", 1)
    for name, value in s3.environment("http://127.0.0.1:1").items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    with pytest.raises(errors.StoreUnavailable) as caught:
        bridge.open_archive("s3://bucket/x")
    assert "s3cret" not in f"{caught.value}{caught.value!r}"


class cutting_proxy:
    """Between a client and a port: every third connection is cut after 20 kB in one direction."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.cuts: list[int] = []
        self._count = 0

    def __enter__(self) -> tuple[int, list[int]]:
        threading.Thread(target=self._serve, daemon=True).start()
        return self._listener.getsockname()[1], self.cuts

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._count += 1
            limit = 20_000 if self._count % 3 == 1 else 1 << 40
            server = socket.create_connection(("127.0.0.1", self._to))
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(a, b, limit), daemon=True).start()

    def _pump(self, a: socket.socket, b: socket.socket, limit: int) -> None:
        try:
            while data := a.recv(4096):
                limit -= len(data)
                if limit < 0:
                    self.cuts.append(1)
                    break
                b.sendall(data)
        except OSError:
            pass
        for end in (a, b):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
