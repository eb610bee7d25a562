"""One topic's table in several processes, some of them killed."""

from __future__ import annotations

import pytest

import logflume
from support.children import Child

pytestmark = pytest.mark.crash
KEYS = 5


@pytest.fixture
def path(tmp_path):
    with logflume.open(tmp_path / "data") as log:
        log.create_topic("t", partitions=2, config={"cleanup.policy": "compact"})
        log.create_topic("unrelated")
    return str(tmp_path / "data")


def writer(path: str, name: str, seconds: float) -> Child:
    return Child("crash.table_workers", "write", path=path, name=name, keys=KEYS, seconds=seconds)


def test_writers_are_killed_and_everybody_agrees(path):
    with (
        writer(path, "a", 30) as killed,
        writer(path, "b", 2) as other,
        Child("crash.table_workers", "watch", path=path, seconds=2.5) as watcher,
    ):
        for child in (killed, other, watcher):
            child.wait_for("ready")
        while len(killed.lines) < 60:
            killed.take(1)
        killed.kill()
        assert other.finish() == 0, other.errors()
        assert watcher.finish() == 0, watcher.errors()
        published = {"a": int(killed.lines[-1][1]), "b": int(other.lines[-1][1])}
        with logflume.open(path) as log, log.table("t") as table:
            found = {key.decode(): int(value) for key, value in table.items()}
            with log.table("t", checkpoint=False) as whole:
                assert dict(whole) == dict(table), "the checkpoint and the log say the same"
        assert found.keys() == {f"{name}-{key}" for name in "ab" for key in range(KEYS)}
        for key, number in found.items():
            # What was killed may have published a round it could not report.
            assert number - published[key[0]] in ((0, 1) if key[0] == "a" else (0,))
        saw = dict(pair.split("=") for pair in watcher.lines[-1][1:])
        assert {key: int(value) for key, value in saw.items()} == found


def test_a_restart_after_a_kill_reads_the_tail_only(path):
    with writer(path, "a", 30) as child:
        child.wait_for("ready")
        while len(child.lines) < 100:
            child.take(1)
        child.kill()
    with logflume.open(path) as log, log.table("t", follow="manual") as table:
        ends = sum(table.positions.values())
        read = sum(state.applied for state in table.core.states.values())
        assert 0 < read <= ends - 80 * KEYS
