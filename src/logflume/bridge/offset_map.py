"""Which offset a record has in a copy that could not keep its own: kept in a topic beside the copy."""

from __future__ import annotations

import json
from bisect import bisect_right
from itertools import pairwise

from logflume.errors import InvalidRecord, UnknownTopicOrPartition
from logflume.types import NamedTuple, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from logflume.client.log import Log

__all__ = ["MAP_TOPIC", "OffsetMap"]

MAP_TOPIC = "logflume.mirror.offsets"
"""One record before each step of a copy: what it is going to write, and where."""


class _Run(NamedTuple):
    """`length` records whose offsets follow each other on both sides."""

    source: int
    target: int
    length: int


class OffsetMap:
    """The offsets of all copied partitions of a target. One writer at a time.

    A step is noted before it is written: what the target has of it tells how far it came, whoever died when.
    """

    def __init__(self, target: Log) -> None:
        self._target = target
        self._runs: dict[TopicPartition, list[_Run]] = {}
        self._log: Any = None
        try:
            self._log = target.partition(MAP_TOPIC, 0)
        except UnknownTopicOrPartition:
            return
        reader = self._log.reader()
        while len(batch := reader.read()):
            for record in batch:
                self._take(record.key, record.value)

    def _take(self, key: bytes | None, value: bytes | None) -> None:
        try:
            topic, _, number = (key or b"").decode().rpartition("/")
            found = json.loads(value or b"")
            where = TopicPartition(topic, int(number))
            at, source = int(found["target"]), int(found["source"])
            counts = [int(count) for count in found["counts"]]
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidRecord(reason=f"{MAP_TOPIC} holds what is no step of a copy") from error
        self.cut(where, at)
        for index, count in enumerate(counts):
            if index % 2:
                source += count  # a gap
            else:
                self._add(where, _Run(source, at, count))
                source += count
                at += count

    def _add(self, where: TopicPartition, run: _Run) -> None:
        runs = self._runs.setdefault(where, [])
        if runs:
            last = runs[-1]
            if (last.source + last.length, last.target + last.length) == run[:2]:
                runs[-1] = _Run(last.source, last.target, last.length + run.length)
                return
        runs.append(run)

    def cut(self, where: TopicPartition, end: int) -> None:
        """The target has nothing from `end` on: what was going to be written there was not."""
        runs = self._runs.get(where, [])
        while runs and runs[-1].target >= end:
            runs.pop()
        if runs:
            last = runs[-1]
            runs[-1] = last._replace(length=min(last.length, end - last.target))

    def has(self, where: TopicPartition) -> bool:
        """Whether anything was copied with offsets of its own."""
        return bool(self._runs.get(where))

    def end(self, where: TopicPartition) -> tuple[int, int]:
        """Behind the last record that was noted: its offsets in source and target."""
        runs = self._runs.get(where)
        if not runs:
            return 0, 0
        last = runs[-1]
        return last.source + last.length, last.target + last.length

    def same(self, where: TopicPartition, end: int) -> None:
        """The copy was begun at the same offsets, up to `end`."""
        self._runs[where] = [_Run(0, 0, end)] if end else []

    def note(self, where: TopicPartition, target: int, offsets: Sequence[int]) -> None:
        """Records with these offsets are going to be written from `target` on. On all brokers when it returns."""
        if self._log is None:
            config = {"retention.ms": -1, "cleanup.policy": "delete"}
            self._target.create_topic(MAP_TOPIC, partitions=1, config=config, exist_ok=True)
            self._log = self._target.partition(MAP_TOPIC, 0)
        runs = self._runs.get(where)
        if runs and runs[0] == _Run(0, 0, target) and len(runs) == 1:
            # Begun at the same offsets, which nothing has said yet.
            self._append(where, 0, 0, [target])
        counts = [1]
        for before, offset in pairwise(offsets):
            if offset == before + 1:
                counts[-1] += 1
            else:
                counts += [offset - before - 1, 1]
        self._append(where, target, offsets[0], counts)

    def _append(self, where: TopicPartition, target: int, source: int, counts: list[int]) -> None:
        key = f"{where.topic}/{where.partition}".encode()
        value = json.dumps({"target": target, "source": source, "counts": counts}).encode()
        self._log.append(value, key)
        self._take(key, value)

    def translate(self, where: tuple[str, int], offset: int) -> int:
        """In the copy: the record with this offset, or the first behind it; the same where nothing is noted."""
        runs = self._runs.get(TopicPartition(*where))
        if not runs:
            return offset
        index = bisect_right(runs, offset, key=lambda run: run.source) - 1
        if index < 0:
            return runs[0].target
        run = runs[index]
        return run.target + min(offset - run.source, run.length)

    def original(self, where: TopicPartition, target: int) -> int:
        """In the source: the offset of the copy's record at `target`, which is there."""
        runs = self._runs.get(where)
        if not runs:
            return target
        run = runs[bisect_right(runs, target, key=lambda run: run.target) - 1]
        return run.source + target - run.target
