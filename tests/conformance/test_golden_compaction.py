"""Directories that a Kafka left, compacted by us: the latest committed record of each key, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from support.cleaning import NOW, compact
from support.partitions import opened, read_all

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "kafka"
TOPICS = sorted(path.stem for path in GOLDEN.glob("*.json"))


def test_there_are_golden_files() -> None:
    assert {"compacted", "transactions", "none", "zstd-librdkafka"} <= set(TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_the_latest_of_each_key_stays(topic: str, tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / f"{topic}-0", tmp_path / "t-0")
    told = json.loads((GOLDEN / f"{topic}.json").read_text())
    latest = {r["key"]: r["offset"] for r in told.get("committed", told["records"])}
    with opened(tmp_path, allow_gaps=True) as log:
        before = {row.offset: row for row in read_all(log)}
        end = log.end_offset
        log.roll()
        compact(log, now=NOW)
        rows = read_all(log)
        assert rows == [before[row.offset] for row in rows]
        assert [row.offset for row in rows] == sorted(o for k, o in latest.items() if k is not None)
        assert log.end_offset == end
        # Tombstones go when their time is over: two passes on, or at the horizon that Kafka has set.
        compact(log, now=1 << 42)
        compact(log, now=1 << 43)
        assert read_all(log) == [row for row in rows if row.value is not None]
    with opened(tmp_path, allow_gaps=True) as log:
        assert log.recovery.clean
        assert log.end_offset == end
