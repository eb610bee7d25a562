"""What readers with read_committed see of a topic, and what a directory still knows of open transactions."""

from __future__ import annotations

from typing import Any


def committed(log: Any, *topics: str) -> dict[tuple[str, int], list[bytes]]:
    """Values by partition, of a consumer that does not wait; partitions without any are left out."""
    out: dict[tuple[str, int], list[bytes]] = {}
    with log.consumer(
        *topics, isolation_level="read_committed", auto_offset_reset="earliest"
    ) as consumer:
        while records := consumer.poll(0.0, 100_000):
            for record in records:
                out.setdefault((record.topic, record.partition), []).append(record.value)
    return out


def values(log: Any, topic: str) -> list[bytes]:
    """The committed values of a topic, partition by partition."""
    found = committed(log, topic)
    return [value for place in sorted(found) for value in found[place]]


def undecided(log: Any) -> dict[tuple[str, int], int]:
    """Partitions whose last stable offset is not their end: how many records wait."""
    out = {}
    for topic in log.topics(internal=True):
        for partition in log.directory.partitions(topic):
            waiting = partition.end_offset - partition.last_stable_offset
            if waiting:
                out[topic, partition.partition] = waiting
    return out
