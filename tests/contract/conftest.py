"""Each test runs twice: on a directory of its own, and on a topic of its own in one real Kafka of the session."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from support import kafka_peer

_numbers = itertools.count()

QUICK_QUEUES = (
    "--set", "group.share.min.record.lock.duration.ms=1000",
    "--set", "group.share.heartbeat.interval.ms=1000",
    "--set", "group.share.min.heartbeat.interval.ms=1000",
)  # fmt: skip
"""Share groups give their first member its partitions with its second heartbeat."""


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one broker. LOGFLUME_CONTRACT_KAFKA names one that runs already."""
    if given := os.environ.get("LOGFLUME_CONTRACT_KAFKA"):
        yield f"kafka://{given}"
        return
    pytest.importorskip("confluent_kafka")
    broker = kafka_peer.Broker(Path(tmp_path_factory.mktemp("kafka")))
    try:
        yield f"kafka://{broker.up(*QUICK_QUEUES)}"
    finally:
        broker.down(wipe=True)


@pytest.fixture(params=["directory", pytest.param("cluster", marks=pytest.mark.peers)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What logflume.open is given."""
    if request.param == "cluster":
        return str(request.getfixturevalue("kafka"))
    return str(tmp_path / "data")


@pytest.fixture
def log(address: str) -> Iterator[logflume.Log]:
    with logflume.open(address) as opened:
        yield opened


@pytest.fixture
def name() -> str:
    """A topic's name, and a group's, that no other test uses."""
    return f"t-{os.getpid()}-{next(_numbers)}"


def drain(consumer: logflume.Consumer, count: int, timeout: float = 60.0) -> list[logflume.Record]:
    """The next `count` records, and no more than that."""
    records: list[logflume.Record] = []
    deadline = time.monotonic() + timeout
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count}"
        records += consumer.poll(0.2)
    assert len(records) == count
    return records
