"""Elections and moves of partitions, over the wire: one broker leads and keeps them all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from logflume.broker import serve
from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import table
from support.wire import Wire

NONE, UNKNOWN_TOPIC, INVALID_ASSIGNMENT, INVALID_REQUEST = 0, 3, 39, 42
NOT_NEEDED, NOTHING_MOVES = 84, 85
BROKER, SET, DELETE = 4, 0, 1


def versions(api: ApiKey) -> list[int]:
    handler = table()[api]
    return list(range(handler.lowest, handler.highest + 1))


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with logflume.open(tmp_path) as log:
        log.create_topic("t", partitions=2)
        with serve(log) as broker, Wire(broker.bootstrap) as client:
            yield client


@pytest.mark.parametrize("version", versions(ApiKey.ELECT_LEADERS))
def test_no_election_is_ever_needed(wire: Wire, version: int) -> None:
    kind = {"election_type": 0} if version else {}
    asked = [{"topic": "t", "partitions": [0, 2]}, {"topic": "u", "partitions": [0]}]
    answer = wire.ask(ApiKey.ELECT_LEADERS, version, topic_partitions=asked, timeout=1000, **kind)
    assert [
        (topic.topic, one.partition_id, one.error_code)
        for topic in answer.replica_election_results
        for one in topic.partition_result
    ] == [("t", 0, NOT_NEEDED), ("t", 2, UNKNOWN_TOPIC), ("u", 0, UNKNOWN_TOPIC)]
    every = wire.ask(ApiKey.ELECT_LEADERS, version, topic_partitions=None, timeout=1000, **kind)
    assert every.replica_election_results == ()
    assert getattr(every, "error_code", NONE) == NONE


@pytest.mark.parametrize("version", versions(ApiKey.ALTER_PARTITION_REASSIGNMENTS))
def test_a_partition_moves_to_where_it_is_and_nowhere_else(wire: Wire, version: int) -> None:
    moves = {(0, (1,)): NONE, (0, (1, 2)): INVALID_ASSIGNMENT, (1, ()): INVALID_ASSIGNMENT}
    moves |= {(1, None): NOTHING_MOVES, (2, (1,)): UNKNOWN_TOPIC}
    asked = [{"partition_index": number, "replicas": to} for number, to in moves]
    answer = wire.ask(
        ApiKey.ALTER_PARTITION_REASSIGNMENTS,
        version,
        timeout=1000,
        topics=[{"name": "t", "partitions": asked}],
    )
    assert answer.error_code == NONE
    (topic,) = answer.responses
    assert [one.error_code for one in topic.partitions] == list(moves.values())


def test_a_brokers_settings_may_be_taken_back_as_none_is_set(wire: Wire) -> None:
    def altered(operation: int, value: str | None) -> int:
        config = {"name": "num.io.threads", "config_operation": operation, "value": value}
        resource = {"resource_type": BROKER, "resource_name": "1", "configs": [config]}
        (answer,) = wire.ask(
            ApiKey.INCREMENTAL_ALTER_CONFIGS, 1, resources=[resource], validate_only=False
        ).responses
        return int(answer.error_code)

    assert altered(DELETE, None) == NONE
    assert altered(SET, "3") == INVALID_REQUEST
