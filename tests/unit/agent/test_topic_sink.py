"""The logflume sink: with its channel's place in one transaction."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import logflume
from logflume.agent import Agent
from logflume.agent.reading import plan_of


def given(tmp_path: Path, total: int) -> dict[str, str]:
    return {
        "a.sources": "r",
        "a.channels": "c",
        "a.sinks": "k",
        "a.sources.r.type": "seq",
        "a.sources.r.totalEvents": str(total),
        "a.sources.r.batchSize": "100",
        "a.sources.r.channels": "c",
        "a.channels.c.type": "file",
        "a.channels.c.dataDirs": str(tmp_path / "channel"),
        "a.sinks.k.type": "logflume",
        "a.sinks.k.channel": "c",
        "a.sinks.k.directory": str(tmp_path / "out"),
        "a.sinks.k.topic": "t",
    }


def committed(tmp_path: Path) -> list[bytes]:
    with logflume.open(tmp_path / "out") as log:
        partition = log.partition("t", 0)
        records = partition.read_batch(0, 1 << 20, read_committed=True)
        return [bytes(value) for value in records.values.tolist() if value is not None]


def run(tmp_path: Path, total: int, expected: int) -> None:
    with Agent(plan_of(given(tmp_path, total), "a")) as agent:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if agent.sinks["k"].counters["EventDrainSuccessCount"] >= expected and agent.wait(0):
                break
            time.sleep(0.01)


def test_events_that_the_target_has_are_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the target's commit and the channel's: the target knows how far the channel came."""
    from logflume.agent.channels import file

    # The channel forgets that anything was delivered.
    monkeypatch.setattr(file._FileTaker, "commit", lambda self, note: None)
    run(tmp_path, 1000, 1000)
    monkeypatch.undo()
    run(tmp_path, 1500, 500)
    assert committed(tmp_path) == [b"%d" % n for n in range(1500)]


def test_a_failing_target_takes_back_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from logflume.agent import runners
    from logflume.client.transactions import Transaction

    real, calls = Transaction.commit, [0]

    def commit(self: Transaction) -> None:
        calls[0] += 1
        if "sink" in self.transactional_id and calls[0] % 2:
            self.abort()
            raise OSError("the target is down")
        real(self)

    monkeypatch.setattr(Transaction, "commit", commit)
    monkeypatch.setattr(runners, "_PAUSE_FIRST_S", 0.01)
    with Agent(plan_of(given(tmp_path, 2000), "a")) as agent:
        end = time.monotonic() + 60
        while agent.channels["c"].counters["EventTakeSuccessCount"] < 2000:
            assert time.monotonic() < end
            time.sleep(0.01)
    assert committed(tmp_path) == [b"%d" % n for n in range(2000)]


def test_another_channel_of_the_same_name_begins_anew(tmp_path: Path) -> None:
    import shutil

    run(tmp_path, 1000, 1000)
    shutil.rmtree(tmp_path / "channel")
    run(tmp_path, 10, 10)
    assert committed(tmp_path) == [b"%d" % n for n in [*range(1000), *range(10)]]
