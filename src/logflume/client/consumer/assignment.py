"""The partitions that a consumer reads, where it stands in each, and fetching from them."""

from __future__ import annotations

from logflume._native.consumer_core import Fetcher
from logflume._native.partition_reader import PartitionReader
from logflume.client.consumer.places import not_assigned
from logflume.config import by_duration_ms
from logflume.errors import (
    NoOffsetForPartition,
    OffsetOutOfRange,
    UnknownTopicOrPartition,
    UnsupportedByEngine,
)
from logflume.types import OffsetAndTimestamp, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from logflume._native.columns import RecordBatch
    from logflume._native.consumer_core import RecordIterator
    from logflume._native.partition import Partition
    from logflume._native.transactions import TransactionPage
    from logflume.log.directory import LogDirectory

    Settle = Callable[[list[Any]], object]

__all__ = ["Assignment"]

_NOWHERE = (
    -1
)  # the position of a partition for which neither a group nor a policy nor a seek has given one
_FETCH_BYTES = 4 << 20  # of segments, for one fetch over all partitions


class Assignment:
    """Not thread-safe: the consumer's guard stands before it."""

    def __init__(
        self,
        directory: LogDirectory,
        *,
        reset: str,
        group: str | None,
        check_crcs: bool = True,
        read_committed: bool = False,
        page: Callable[[], TransactionPage | None] = lambda: None,
        settle: Settle = lambda _: None,
    ) -> None:
        """`page`: by which a commit is seen in all partitions at once; `settle`: ends dead transactions."""
        self._directory = directory
        self._read_committed = read_committed
        self._page = page
        self._settle = settle
        self._reset = reset
        self._group = group
        self._check_crcs = check_crcs
        self._readers: dict[TopicPartition, PartitionReader] = {}
        self._paused: set[TopicPartition] = set()
        self._fetcher = Fetcher()

    # ---- which partitions

    def partitions(self) -> set[TopicPartition]:
        """All assigned, paused ones too."""
        return set(self._readers)

    def partition(self, where: TopicPartition) -> Partition:
        """The partition's log."""
        return self._directory.partition(where.topic, where.partition)

    def add(self, where: TopicPartition, committed: int | None) -> None:
        """Read a partition too, from its committed offset or where the reset policy says; with the policy `none`
        from nowhere, until somebody seeks."""
        if where not in self._readers:
            log = self.partition(where)
            if committed is not None:
                offset = committed
            else:
                offset = _NOWHERE if self._reset == "none" else self.reset_offset(where)
            self._readers[where] = PartitionReader(
                log,
                offset,
                check_crcs=self._check_crcs,
                read_committed=self._read_committed,
            )
            self._changed()

    def remove(self, wheres: Iterable[TopicPartition]) -> None:
        """Read these no more."""
        for where in wheres:
            self._readers.pop(where, None)
            self._paused.discard(where)
        self._changed()

    def pause(self, wheres: Iterable[TopicPartition]) -> None:
        """Fetch nothing from these until resumed; their positions stay. Raises UnknownTopicOrPartition."""
        for where in wheres:
            self._reader(where)
            self._paused.add(where)
        self._changed()

    def resume(self, wheres: Iterable[TopicPartition]) -> None:
        """Fetch from these again."""
        self._paused.difference_update(wheres)
        self._changed()

    def paused(self) -> set[TopicPartition]:
        """Those that pause() holds."""
        return set(self._paused)

    def _changed(self) -> None:
        if self._read_committed:
            self._fetcher.use_page(self._page())
        self._fetcher.set_readers(self.readers())

    def readers(self) -> list[PartitionReader]:
        """Those that are fetched from: what a wait is for."""
        return [reader for where, reader in self._readers.items() if where not in self._paused]

    def _reader(self, where: TopicPartition) -> PartitionReader:
        try:
            return self._readers[where]
        except KeyError:
            raise not_assigned(where, self._readers) from None

    # ---- positions

    def position(self, where: TopicPartition) -> int:
        """Offset of the next record to fetch. Raises NoOffsetForPartition while there is none."""
        offset = int(self._reader(where).position)
        return self.reset_offset(where) if offset == _NOWHERE else offset

    def positions(self) -> dict[TopicPartition, int]:
        """Of all assigned partitions that have one."""
        found = {where: int(reader.position) for where, reader in self._readers.items()}
        return {where: offset for where, offset in found.items() if offset != _NOWHERE}

    def seek(self, where: TopicPartition, offset: int) -> None:
        """Stand at `offset`. One outside the log is met by the reset policy when it is fetched from."""
        if offset < 0:
            raise ValueError(f"offset {offset} is negative")
        self._reader(where).seek(offset)

    def reset_offset(self, where: TopicPartition) -> int:
        """Where the policy says to begin. Raises NoOffsetForPartition when it is `none`."""
        log = self.partition(where)
        if self._reset == "earliest":
            return int(log.start_offset)
        if self._reset == "latest":
            return self._end(log)
        if self._reset == "none":
            raise NoOffsetForPartition(
                topic=where.topic, partition=where.partition, group=self._group
            )
        import time

        age = by_duration_ms(self._reset)
        found = log.offset_for_time(time.time_ns() // 1_000_000 - (age or 0))
        return self._end(log) if found is None else int(found)

    def _end(self, log: Partition) -> int:
        """Where reading ends: read_committed sees nothing behind the first open transaction."""
        return int(log.last_stable_offset if self._read_committed else log.end_offset)

    def start_offsets(self, wheres: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """First offset of each partition."""
        return {where: int(self.partition(where).start_offset) for where in wheres}

    def end_offsets(self, wheres: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Offset behind the last record of each partition."""
        return {where: self._end(self.partition(where)) for where in wheres}

    def offsets_for_times(
        self, times: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """First record at or after each partition's time (ms since 1970); None where there is none."""
        out: dict[TopicPartition, OffsetAndTimestamp | None] = {}
        for where, timestamp in times.items():
            found = self.partition(where).reader().seek_to_time(timestamp)
            out[where] = None if found is None else OffsetAndTimestamp(*found)
        return out

    # ---- fetching

    def has_news(self, records: RecordIterator) -> bool:
        """Whether fetching would find anything: records, an error, a position out of range; or `records`, which
        an iteration took, are not all handed out."""
        return self._fetcher.has_news(records)

    def fetch(self, max_records: int) -> RecordBatch | None:
        """What is there now; None when nothing is. Applies the reset policy to positions out of range, and where a
        topic was made again."""
        while True:
            try:
                batch = self._fetcher.fetch(max_records, _FETCH_BYTES)
            except OffsetOutOfRange as error:
                self._reset_out_of_range(error)
                continue
            except UnknownTopicOrPartition:
                if not self._begin_anew():
                    raise
                continue
            if batch is None and self._any_beyond_end():
                continue
            return batch

    def _any_beyond_end(self) -> bool:
        """A position behind the end is out of range too: the log was cut, or somebody sought too far."""
        beyond = False
        for where, reader in self._readers.items():
            log = reader.log
            if reader.position > log.end_offset and where not in self._paused:
                beyond = True
                self._reset_out_of_range(
                    OffsetOutOfRange(
                        topic=where.topic,
                        partition=where.partition,
                        offset=reader.position,
                        start_offset=log.start_offset,
                        end_offset=log.end_offset,
                    )
                )
        return beyond

    def _reset_out_of_range(self, error: OffsetOutOfRange) -> None:
        if self._reset == "none" and error.offset != _NOWHERE:
            raise error
        where = TopicPartition(error.topic, error.partition)
        if error.offset == _NOWHERE and self._readers[where].position != _NOWHERE:
            return  # somebody sought since it was met
        offset = self.reset_offset(where)
        if offset == error.offset:
            raise error  # a segment was taken away under the open log: trying again would never end
        self._readers[where].seek(offset)

    def is_gone(self, where: TopicPartition) -> bool:
        """Whether the partition that is read was deleted; one of its name may be there again, without its records."""
        reader = self._readers.get(where)
        return reader is not None and reader.log.gone

    def _begin_anew(self) -> bool:
        """A topic that was deleted and made again is another topic: no position of the old one means anything in it.
        False when there is none. Raises UnknownTopicOrPartition while the topic is not there."""
        gone = [where for where in self._readers if self.is_gone(where)]
        for where in gone:
            offset = self.reset_offset(where)
            del self._readers[where]
            self.add(where, offset)
        return bool(gone)

    def unblock(self) -> bool:
        """Whether an open transaction is waited for. What a dead producer left open is ended."""
        if not self._read_committed:
            return False
        blocked = []
        for where, reader in self._readers.items():
            log = self.partition(where)
            waits = log.last_stable_offset <= reader.position < log.end_offset
            if waits and where not in self._paused:
                blocked.append(log)
        self._settle(blocked)
        return bool(blocked)

    def wait(self, seconds: float) -> bool:
        """Sleep until there may be news; may return early."""
        return bool(self._fetcher.wait(seconds))

    def wake(self) -> None:
        """From another thread: end a wait."""
        self._fetcher.wake()

    def group_position(self) -> Any:
        """There is no coordinator to tell. Raises UnsupportedByEngine."""
        raise UnsupportedByEngine(
            what="a transaction of a cluster with offsets of a directory", instead="commit()"
        )

    def close(self) -> None:
        """Nothing of its own is open."""

    def has_readers(self) -> bool:
        """False when nothing is assigned or all of it is paused: there is nothing to wait on."""
        return len(self._paused) < len(self._readers)
