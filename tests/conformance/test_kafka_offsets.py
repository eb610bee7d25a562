"""Kafka's own tool reads the commits that groups without a broker made."""

from __future__ import annotations

import json
import re
from pathlib import Path
from uuid import UUID

import pytest

from logflume.coordinator.offset_store import OffsetStore
from logflume.types import OffsetAndMetadata, TopicPartition
from support.kafka_peer import dump
from support.partitions import opened

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]

RECORD = re.compile(r"^\| offset: \d+ .* key: (\{.*?\}\}) payload: (\{.*\}|<DELETE>)$")
STAMP = 1_700_000_000_000


def test_the_dump_tool_decodes_our_commits(tmp_path: Path) -> None:
    with opened(tmp_path, name="__consumer_offsets-3") as log:
        store = OffsetStore(log)
        first = {
            TopicPartition("t", 0): OffsetAndMetadata(5, "a note", 3),
            TopicPartition("t.u", 11): OffsetAndMetadata(1 << 40),
        }
        store.commit("billing", first, now_ms=STAMP)
        with_id = OffsetStore(log, topic_id={"t": UUID(int=1)}.get)
        with_id.commit("g", {TopicPartition("t", 1): OffsetAndMetadata(7)}, now_ms=STAMP)
        store.delete("billing", [TopicPartition("t.u", 11)])
    out = dump(
        sorted((tmp_path / "__consumer_offsets-3").glob("*.log")),
        "--deep-iteration",
        "--print-data-log",
        "--offsets-decoder",
    )
    seen = []
    for line in out.splitlines():
        if match := RECORD.match(line):
            key, value = match.groups()
            data = None if value == "<DELETE>" else json.loads(value)
            seen.append((json.loads(key)["data"], data))
    plain = {"leaderEpoch": -1, "metadata": "", "commitTimestamp": STAMP}
    no_id = "AAAAAAAAAAAAAAAAAAAAAA"
    for _, data in seen:
        if data is not None and data["data"].get("topicId") == no_id:
            del data["data"]["topicId"]  # version 3 has none; printed or not
    assert seen == [
        (
            {"group": "billing", "topic": "t", "partition": 0},
            {"version": "3", "data": plain | {"offset": 5, "leaderEpoch": 3, "metadata": "a note"}},
        ),
        (
            {"group": "billing", "topic": "t.u", "partition": 11},
            {"version": "3", "data": plain | {"offset": 1 << 40}},
        ),
        (
            {"group": "g", "topic": "t", "partition": 1},
            {"version": "4", "data": plain | {"offset": 7, "topicId": no_id[:-1] + "Q"}},
        ),
        ({"group": "billing", "topic": "t.u", "partition": 11}, None),
    ]
