"""Kafka's own tool reads the state that queues without a broker wrote."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import logflume
from support.kafka_peer import dump

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]

RECORD = re.compile(r"^\| offset: \d+ .* key: (\{.*?\}\}) payload: (\{.*\}|<DELETE>)$")


def dumped(path: Path, pattern: str, decoder: str) -> list[tuple[dict[str, object], object]]:
    out = dump(sorted(path.glob(pattern)), "--deep-iteration", "--print-data-log", decoder)
    seen = []
    for line in out.splitlines():
        if match := RECORD.match(line):
            key, value = match.groups()
            seen.append((json.loads(key), None if value == "<DELETE>" else json.loads(value)))
    return seen


def test_the_dump_tool_decodes_our_state(tmp_path: Path) -> None:
    path = tmp_path / "d"
    with logflume.open(path, share_coordinator_state_topic_num_partitions=1) as log:
        log.create_topic("t")
        log.partition("t", 0).append_many([b"x"] * 10)
        topic_id = log.describe_topic("t").topic_id
        options = {"acknowledgement": "explicit", "share_auto_offset_reset": "earliest"}
        with log.queue("t", group="g", **options) as queue:
            records = queue.poll()
            for record in records[:3] + records[5:6]:
                queue.accept(record)
            queue.reject(records[7])
            queue.release(records[8])
            queue.commit()
        log.delete_topic("t")
    seen = dumped(path, "__share_group_state-0/*.log", "--share-group-state-decoder")
    key = {"groupId": "g", "topicId": topic_id, "partition": 0}
    assert [(k["type"], k["data"]) for k, _ in seen] == [
        ("0", key),
        ("1", key),
        ("1", key),
        ("0", key),
    ]
    values = [None if value is None else value["data"] for _, value in seen]
    first = dict(values[0])
    assert first.pop("createTimestamp") > 0
    assert first.pop("writeTimestamp") > 0
    assert first == {
        "snapshotEpoch": 0,
        "stateEpoch": 0,
        "leaderEpoch": 0,
        "startOffset": 0,
        "deliveryCompleteCount": 0,
        "stateBatches": [],
    }

    def batch(first: int, last: int, state: int, count: int) -> dict[str, int]:
        return {
            "firstOffset": first,
            "lastOffset": last,
            "deliveryState": state,
            "deliveryCount": count,
        }

    assert values[1] == {
        "snapshotEpoch": 0,
        "leaderEpoch": -1,
        "startOffset": 3,
        "deliveryCompleteCount": 2,
        "stateBatches": [batch(5, 5, 2, 1), batch(7, 7, 4, 1), batch(8, 8, 0, 1)],
    }
    # What was held at the close is released, and that delivery not counted.
    assert values[2]["stateBatches"] == [batch(3, 4, 0, 0), batch(6, 6, 0, 0), batch(9, 9, 0, 0)]
    assert values[3] is None
