"""Reading a partition without a consumer: a few connections, each of which goes on where a reader left it."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

from logflume._native.columns import RecordBatch
from logflume._native.row_picker import join_batches
from logflume.client.cluster.failures import Fail, failure
from logflume.client.cluster.offsets import END, START, offset_at
from logflume.client.cluster.signal import Signal
from logflume.errors import OffsetOutOfRange, Timeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from logflume.client.cluster.cluster import Cluster

__all__ = ["AUTO_OFFSET_RESET", "NO_GROUP", "PARTITION_EOF", "Readers"]

PARTITION_EOF = -191
AUTO_OFFSET_RESET = -140
NO_GROUP = "logflume-no-group"
"""librdkafka wants a group's name even from who never joins one."""
_IDLE_MAX = 4
_FETCH_RECORDS = 100_000
_SETTINGS = {
    "group.id": NO_GROUP,
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "enable.partition.eof": "true",
    "auto.offset.reset": "error",
    "check.crcs": "true",
    "queued.max.messages.kbytes": "16384",
    "fetch.wait.max.ms": "10",
}


class _Reader:
    """One connection and where it stands. One thread at a time."""

    def __init__(self, cluster: Cluster, isolation: str) -> None:
        self.handle = cluster.consumer_handle({**_SETTINGS, "isolation.level": isolation}, Fail())
        self._signal = Signal()
        self.handle.signal_to(self._signal.fileno())
        self.at: tuple[str, int, int] | None = None
        self._seen_end = False

    def read(
        self, topic: str, number: int, offset: int, count: int, size: int, seconds: float
    ) -> RecordBatch:
        """Records from `offset` on, until there are `count`, or `size` bytes, or no more.

        Raises OffsetOutOfRange, Timeout.
        """
        deadline = time.monotonic() + seconds
        if self.at != (topic, number, offset):
            self.handle.assign([(topic, number, offset)])
            self.at, self._seen_end = (topic, number, offset), False
        elif self._seen_end:
            # Its end is told once only.
            if self._bound(topic, number, END) <= offset:
                return RecordBatch()
            self._seen_end = False
        found: list[RecordBatch] = []
        while count > 0 and size > 0 and not self._seen_end:
            batch, ends, events = self.handle.fetch(min(count, _FETCH_RECORDS), 0)
            if batch is not None:
                self.at = ends[-1]
                found.append(batch)
                count -= len(batch)
                size -= batch.nbytes
            for code, _topic, _number, at, text in events:
                self._take_event(code, at, text)
            if batch is not None or events:
                continue
            left = deadline - time.monotonic()
            if left <= 0:
                self.at = None
                raise Timeout(what=f"records of {topic}-{number} from {offset} on", seconds=seconds)
            self._signal.wait(min(left, 0.5))
        return found[0] if len(found) == 1 else join_batches(found)

    def _take_event(self, code: int, at: int, text: str) -> None:
        assert self.at is not None
        topic, number, offset = self.at
        if code == PARTITION_EOF:
            self._seen_end = True
            self.at = topic, number, max(offset, at)
            return
        self.at = None
        if code == AUTO_OFFSET_RESET or code == OffsetOutOfRange.code:
            raise OffsetOutOfRange(
                topic=topic,
                partition=number,
                offset=offset,
                start_offset=self._bound(topic, number, START),
                end_offset=self._bound(topic, number, END),
            )
        raise failure(code, text, topic=topic, partition=number)

    def _bound(self, topic: str, number: int, which: int) -> int:
        return offset_at(self.handle, topic, number, which)

    def close(self) -> None:
        self.handle.close()
        self._signal.close()


class Readers:
    """Connections that nobody uses now. Thread-safe."""

    def __init__(self, cluster: Cluster, isolation: str) -> None:
        self._cluster = cluster
        self._isolation = isolation
        self._mutex = threading.Lock()
        self._idle: list[_Reader] = []
        self._closed = False

    def _take(self, at: tuple[str, int, int] | None) -> _Reader:
        with self._mutex:
            for index, reader in enumerate(self._idle):
                if at is not None and reader.at == at:
                    return self._idle.pop(index)
            if self._idle:
                # The one unused for longest: another may be asked to go on where it stands.
                return self._idle.pop(0)
        return _Reader(self._cluster, self._isolation)

    def _give(self, reader: _Reader) -> None:
        with self._mutex:
            surplus = self._closed or len(self._idle) >= _IDLE_MAX
            if not surplus:
                self._idle.append(reader)
        if surplus:
            reader.close()

    @contextmanager
    def lend(self) -> Iterator[Any]:
        """A handle, for questions that do not change what it reads."""
        reader = self._take(None)
        try:
            yield reader.handle
        finally:
            self._give(reader)

    def offset_at(self, topic: str, number: int, timestamp: int) -> int:
        """See offsets.offset_at."""
        with self._cluster.explained(), self.lend() as handle:
            return offset_at(handle, topic, number, timestamp)

    def read(
        self, topic: str, number: int, offset: int, count: int, size: int, seconds: float
    ) -> RecordBatch:
        """Records of a partition from `offset` on, until there are `count`, or `size` bytes, or no more.

        Raises OffsetOutOfRange, Timeout.
        """
        self._cluster.reach()
        reader = self._take((topic, number, offset))
        try:
            return reader.read(topic, number, offset, count, size, seconds)
        finally:
            self._give(reader)

    def close(self) -> None:
        """Close all that are idle; others when they are given back."""
        with self._mutex:
            self._closed = True
            idle, self._idle = self._idle, []
        for reader in idle:
            reader.close()
