"""A fetch of committed records sees each transaction in all of its partitions, or in none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume._native.fetch import read_parts
from logflume._native.partition_log import arm_failpoints
from logflume.broker import serve
from logflume.broker.api_keys import ApiKey
from logflume.broker.handlers import fetch
from support.wire import Wire

PARTITIONS = 8
SECOND = 2
"""Offset of the second transaction's record: before it are the first one's and its marker."""


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logflume.Log]:
    with logflume.open(tmp_path / "data") as opened:
        opened.create_topic("t", partitions=PARTITIONS)
        yield opened


def records_in(wire: Wire) -> list[bool]:
    """Of which partitions one answer has records of the second transaction."""
    asked = {"fetch_offset": SECOND, "partition_max_bytes": 1 << 20, "log_start_offset": -1}
    answer = wire.ask(
        ApiKey.FETCH,
        7,
        replica_id=-1,
        max_wait=0,
        min_bytes=0,
        max_bytes=1 << 20,
        isolation_level=1,
        session_id=0,
        session_epoch=-1,
        topics=[
            {"topic": "t", "partitions": [{"partition": n, **asked} for n in range(PARTITIONS)]}
        ],
        forgotten_topics_data=[],
    )
    return [bool(partition.records) for partition in answer.responses[0].partitions]


def seen_while_a_commit_is_published(log: logflume.Log, bootstrap: str) -> list[list[bool]]:
    """What fetches are told while it stands still between two partitions, and a last one behind it."""
    with log.producer(transactional_id="x") as producer, Wire(bootstrap) as wire:
        for _ in range(2):
            transaction = producer.transaction()
            for number in range(PARTITIONS):
                producer.send("t", b"v", partition=number)
            if not log.partition("t", 0).end_offset:
                transaction.commit()
        producer.flush()
        assert records_in(wire) == [False] * PARTITIONS
        arm_failpoints("txn.half_stable:3:sleep=0.5")
        committing = threading.Thread(target=transaction.commit)
        committing.start()
        try:
            seen = []
            while committing.is_alive():
                seen.append(records_in(wire))
        finally:
            committing.join()
            arm_failpoints(None)
        return [*seen, records_in(wire)]


def test_one_answer_is_of_one_moment(log: logflume.Log) -> None:
    with serve(log) as broker:
        *meanwhile, behind = seen_while_a_commit_is_published(log, broker.bootstrap)
    assert behind == [True] * PARTITIONS
    assert len(meanwhile) > 3
    assert all(len(set(answer)) == 1 for answer in meanwhile)


def test_without_the_page_of_transactions_it_would_not_be(
    log: logflume.Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(parts: Any, limit: int, committed: bool, first: int, page: object) -> object:
        return read_parts(parts, limit, committed, first)

    monkeypatch.setattr(fetch, "read_parts", read)
    with serve(log) as broker:
        *meanwhile, behind = seen_while_a_commit_is_published(log, broker.bootstrap)
    assert behind == [True] * PARTITIONS
    assert any(len(set(answer)) == 2 for answer in meanwhile)
