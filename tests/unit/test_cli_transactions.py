"""txn ls, txn describe, txn abort."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.errors import TransactionAborted
from support.cli import Runner


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logflume.Log]:
    with logflume.open(tmp_path / "data") as log:
        log.create_topic("t", partitions=2)
        yield log


@pytest.fixture
def run(log: logflume.Log, monkeypatch: pytest.MonkeyPatch) -> Runner:
    return Runner(Path(log.path), monkeypatch)


@pytest.fixture
def producer(log: logflume.Log) -> Iterator[Any]:
    with log.producer(transactional_id="mover") as producer:
        yield producer


def test_there_are_none_yet(run: Runner) -> None:
    assert run("txn", "ls").out == "no transactional ids yet\n"
    assert run("txn", "ls", "--json").json == []
    assert "unknown transactional.id 'mover'" in run.fails("txn", "describe", "mover")
    assert "unknown transactional.id 'mover'" in run.fails("txn", "abort", "mover", "--yes")


def test_what_is_open_and_where(run: Runner, producer: Any) -> None:
    with producer.transaction():
        producer.send("t", b"x", partition=1)
        producer.flush()
        (row,) = run("txn", "ls", "--json").json
        assert (row["transactional_id"], row["state"], row["alive"]) == ("mover", "Ongoing", True)
        document = run("txn", "describe", "mover", "--json").json
        assert document["open_partitions"] == [
            {"topic": "t", "partition": 1, "first_offset": 0, "end_offset": 1}
        ]
        text = run("txn", "describe", "mover").out
        assert text.startswith("mover  Ongoing\n")
        assert ", alive" in text
    (row,) = run("txn", "ls", "--json").json
    assert row["state"] == "CompleteCommit"
    assert "mover" in run("txn", "ls").out
    assert run("txn", "describe", "mover", "--json").json["open_partitions"] == []


def test_a_producer_that_is_gone_is_not_alive(run: Runner, producer: Any) -> None:
    with producer.transaction():
        producer.send("t", b"x")
    producer.close()
    assert run("txn", "describe", "mover", "--json").json["alive"] is False


def test_abort_refuses_the_producers_commit(run: Runner, producer: Any) -> None:
    transaction = producer.transaction()
    producer.send("t", b"x", partition=0)
    producer.flush()
    assert "no terminal to ask on" in run.misused("txn", "abort", "mover")
    assert run("txn", "abort", "mover", "--yes").out == "aborted mover\n"
    with pytest.raises(TransactionAborted):
        transaction.commit()
    done = run("txn", "abort", "mover", "--yes", "--json").json
    assert done == {"transactional_id": "mover", "aborted": False}
    # The producer goes on with its next transaction.
    with producer.transaction():
        producer.send("t", b"y", partition=0).result(60)
