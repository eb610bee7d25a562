"""Print the records of a stretch of time in the order of their time stamps, at their old pace or faster.

    replay.py --dir data TOPIC --from 2026-01-01T08:00 --to 2026-01-01T09:00 --speed 60

All partitions are merged. Within a partition the order is that of the offsets. Times without a zone are UTC.
`--speed 1` takes as long as it took, 0 (default) does not wait.
"""

from __future__ import annotations

import argparse
import heapq
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import logflume


def in_ms(text: str) -> int:
    """A time in ISO 8601 as milliseconds since 1970."""
    moment = datetime.fromisoformat(text)
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)


def records(partition: logflume.Partition, start: int, end: int) -> Iterator[logflume.Record]:
    """Records of one partition with time stamps from `start` up to, not including, `end`."""
    offset = partition.offset_for_time(start)
    if offset is None:
        return
    reader = partition.reader(offset)
    while len(batch := reader.read(max_records=1000)):
        for record in batch:
            if record.timestamp >= end:
                return
            if record.timestamp >= start:
                yield record


def replay(topic: logflume.Topic, start: int, end: int, speed: float) -> int:
    """Print them; returns how many."""
    streams = [records(partition, start, end) for partition in topic]
    began, first, count = time.monotonic(), None, 0
    for record in heapq.merge(*streams, key=lambda record: record.timestamp):
        first = record.timestamp if first is None else first
        if speed:
            due = began + (record.timestamp - first) / 1000 / speed
            time.sleep(max(0.0, due - time.monotonic()))
        moment = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        value = (record.value or b"").decode(errors="backslashreplace")
        print(f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z  {record.partition}:{record.offset}  {value}")
        count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--dir", default="logflume-data", help="a directory, or kafka://host:9092")
    parser.add_argument("--from", dest="start", type=in_ms, default=0, metavar="TIME")
    parser.add_argument("--to", dest="end", type=in_ms, default=1 << 62, metavar="TIME")
    parser.add_argument("--speed", type=float, default=0, help="times as fast as it was")
    parser.add_argument("topic")
    args = parser.parse_args()
    with logflume.open(args.dir) as log:
        count = replay(log[args.topic], args.start, args.end, args.speed)
    print(f"{count:,} records", file=sys.stderr)


if __name__ == "__main__":
    main()
