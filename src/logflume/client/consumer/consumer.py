"""Consuming records."""

from __future__ import annotations

import time

from logflume._native.consumer_core import RecordIterator
from logflume.client.consumer.places import (
    as_offset,
    as_offsets,
    as_partitions,
    as_place,
    by_place,
)
from logflume.client.one_thread import OneThread
from logflume.config import ConsumerConfig
from logflume.errors import Closed, InvalidGroup
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from re import Pattern
    from types import TracebackType
    from typing import Any

    from logflume._native.columns import Record, RecordBatch
    from logflume.client.log import Log
    from logflume.types import OffsetAndMetadata, OffsetAndTimestamp

    Places = Iterable[tuple[str, int]]
    Listener = Callable[[list[TopicPartition]], None]

__all__ = ["Consumer"]

_ITERATE_RECORDS = 20_000  # fetched ahead for `for record in consumer`
_FOREVER = 1e9


class Consumer(OneThread):
    """Reads records of its partitions in offset order, partition by partition.

    One thread at a time: a second one gets ConcurrentAccess. `close()` and `wakeup()` may be called from any
    thread; close ends an iteration or a poll that is under way. Positions move as records are handed out;
    `commit()` stores them for the group.
    """

    def __init__(
        self,
        log: Log,
        topics: tuple[str | Iterable[str] | Pattern[str], ...],
        group: str | None,
        options: Mapping[str, object],
    ) -> None:
        super().__init__("consumer", log.path)
        self.config = log.engine.parse(
            ConsumerConfig, options if group is None else {**options, "group.id": group}
        )
        self._log = log
        self._woken = False
        self.group = self.config.group_id
        self._poll_records: int = self.config.max_poll_records
        self._assignment = log.engine.assignment(self.config)
        self._iterator = RecordIterator(self._next_batch)
        self._subscription = log.engine.subscription(self.config, self._assignment, self._give_back)
        if topics:
            self.subscribe(*topics)

    # ---- what is read

    def subscribe(
        self,
        *topics: str | Iterable[str] | Pattern[str],
        on_assigned: Listener | None = None,
        on_revoked: Listener | None = None,
        on_lost: Listener | None = None,
    ) -> None:
        """Read topics by name, or by one compiled pattern; replaces what was subscribed or assigned before.

        In a group the partitions are shared with its other members, else all are read. Listeners get lists of
        TopicPartition: `on_revoked` before a partition goes to another member (commit there), `on_assigned`
        after one came, `on_lost` (default: `on_revoked`) when it was taken without asking.
        """
        with self._enter():
            self._give_back()
            self._subscription.subscribe(topics, on_assigned, on_revoked, on_lost)

    def assign(self, partitions: Places) -> None:
        """Read exactly these partitions, without sharing; a group then only stores positions."""
        with self._enter():
            self._give_back()
            self._subscription.assign(as_partitions(partitions))

    def unsubscribe(self) -> None:
        """Read nothing, and leave the group."""
        with self._enter():
            self._give_back()
            self._subscription.unsubscribe()

    def subscription(self) -> set[str]:
        """Names of the topics subscribed to."""
        return self._subscription.topics()

    def assignment(self) -> set[TopicPartition]:
        """Partitions read now. A group's are assigned by the first poll."""
        return self._assignment.partitions()

    def pause(self, *places: tuple[str, int]) -> None:
        """Fetch nothing from these partitions until `resume`."""
        with self._enter():
            self._give_back()
            self._assignment.pause(as_partitions(places))

    def resume(self, *places: tuple[str, int]) -> None:
        """Fetch from these partitions again."""
        with self._enter():
            self._assignment.resume(as_partitions(places))

    def paused(self) -> set[TopicPartition]:
        """Partitions that are paused."""
        return self._assignment.paused()

    # ---- reading

    def poll(self, timeout: float | None = 0.0, max_records: int | None = None) -> list[Record]:
        """Records that are there, waiting up to `timeout` seconds (None: without end) for the first; at most
        `max_records` (default: max.poll.records, 500). Empty when the time is over, or after `wakeup()` or `close()`.

        Raises CorruptRecord, OffsetOutOfRange (with the reset policy `none`), Closed, ConcurrentAccess.
        """
        batch = self.poll_batch(timeout, self._poll_records if max_records is None else max_records)
        return [] if batch is None else batch.records()

    def poll_batch(
        self, timeout: float | None = 0.0, max_records: int = 100_000
    ) -> RecordBatch | None:
        """As `poll`, but columns: no object for each record. None when there is nothing."""
        if max_records < 1:
            raise ValueError(f"max_records is {max_records}")
        if timeout is None:
            timeout = _FOREVER
        with self._enter():
            # What a poll that does not wait mostly meets: nothing at all, or records and nothing else to do.
            if timeout <= 0 and not (self._woken or self._subscription.is_due()):
                if not self._assignment.has_news(self._iterator):
                    return None
                if self.group is None and not self._iterator:
                    return self._assignment.fetch(max_records)
            self._give_back()
            return self._poll(timeout, max_records)

    def __iter__(self) -> Iterator[Record]:
        """Records as they come, waiting for more without end; `close()` from another thread ends it."""
        return self._iterator

    def _next_batch(self) -> RecordBatch | None:
        while not self._closing.is_set():
            try:
                with self._enter():
                    batch = self._poll(_FOREVER, _ITERATE_RECORDS)
            except Closed:
                return None
            if batch is not None:
                return batch
        return None

    def _poll(self, timeout: float, max_records: int) -> RecordBatch | None:
        deadline = time.monotonic() + timeout
        while True:
            self._subscription.settle()
            batch, pause = self._round(max_records)
            if pause < 0:
                return batch
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            # Records that this process's producers still gather are what is waited for.
            self._log.publish_open_batches()
            if self._assignment.has_readers():
                self._assignment.wait(min(left, pause))
            else:
                self._closing.wait(min(left, pause))

    def _round(self, max_records: int) -> tuple[RecordBatch | None, float]:
        """What is there now, and how long the next wait may last; negative when the poll is over."""
        pause = self._subscription.keep_up()
        batch = self._assignment.fetch(max_records)
        if batch is not None or self._woken or self._closing.is_set():
            self._woken = False
            return batch, -1.0
        return None, pause

    # For logflume.aio, which waits in its own way:

    @property
    def records(self) -> RecordIterator:
        """What iterating takes records from."""
        return self._iterator

    @property
    def in_group(self) -> bool:
        """True when partitions are shared with other members, so that calls may take over changes."""
        return self._subscription.in_group

    def due(self) -> Callable[[], None] | None:
        """What a group's changes ask for before the next round; it may take the disk. None when nothing."""
        with self._enter():
            job = self._subscription.due()
        if job is None:
            return None

        def take_over() -> None:
            with self._enter():
                job()

        return take_over

    def next_round(self, max_records: int) -> tuple[RecordBatch | None, float]:
        """One round of a poll, without waiting: what is there, and how many seconds to wait before the next round
        (negative when the poll is over). For an iteration, only once the records at hand are handed out."""
        with self._enter():
            self._give_back()
            return self._round(max_records)

    def readers(self) -> list[Any]:
        """What there is to wait for: the partitions that are fetched from, at their positions."""
        return self._assignment.readers()

    def positions(self) -> dict[TopicPartition, OffsetAndMetadata]:
        """What commit() would store now."""
        with self._enter():
            return self._positions()

    def group_position(self) -> Any:
        """What a cluster's transaction tells of this member."""
        with self._enter():
            return self._assignment.group_position()

    def wakeup(self) -> None:
        """From any thread: end the poll under way (or the next one) early."""
        self._woken = True
        self._assignment.wake()

    def _give_back(self) -> None:
        """Records fetched ahead for iteration go back: the readers stand behind what was handed out."""
        for (topic, partition), offset in self._iterator.unread().items():
            where = TopicPartition(topic, partition)
            if where in self._assignment.partitions():
                self._assignment.seek(where, offset)

    # ---- positions

    def position(self, topic: str | tuple[str, int], partition: int | None = None) -> int:
        """Offset of the next record that will be handed out. `position("t", 0)` or `position(("t", 0))`."""
        with self._enter():
            where = as_place(topic, partition)
            ahead = self._iterator.peek().get(where)
            return self._assignment.position(where) if ahead is None else int(ahead)

    def seek(
        self, topic: str | tuple[str, int], partition: int | None = None, offset: int | None = None
    ) -> None:
        """Go on at `offset`: `seek("t", 0, 42)` or `seek(("t", 0), offset=42)`."""
        with self._enter():
            if offset is None and not isinstance(topic, str):
                partition, offset = None, partition
            if offset is None:
                raise TypeError("seek() wants an offset")
            where = as_place(topic, partition)
            offset = as_offset(offset, where)
            self._settle_for([where])
            self._give_back()
            self._assignment.seek(where, offset)

    def _settle_for(self, wheres: list[TopicPartition]) -> None:
        """Before a seek, which may come before the first poll. What is assigned stays so until the next poll."""
        if not wheres or not self._assignment.partitions().issuperset(wheres):
            self._subscription.settle()

    def seek_to_beginning(self, *places: tuple[str, int]) -> None:
        """Go to the start of these partitions (default: all assigned)."""
        self._seek_all(places, self.beginning_offsets)

    def seek_to_end(self, *places: tuple[str, int]) -> None:
        """Go to the end of these partitions (default: all assigned)."""
        self._seek_all(places, self.end_offsets)

    def seek_to_time(self, timestamp: int, *places: tuple[str, int]) -> None:
        """Go to the first record at or after `timestamp` (ms) in these partitions (default: all assigned);
        to the end where there is none."""

        def offsets(wheres: Places) -> dict[TopicPartition, int]:
            found = self.offsets_for_times(dict.fromkeys(wheres, timestamp))
            ends = self.end_offsets(wheres)
            return {w: ends[w] if at is None else at.offset for w, at in found.items()}

        self._seek_all(places, offsets)

    def _seek_all(
        self, places: Places, offsets: Callable[[Places], dict[TopicPartition, int]]
    ) -> None:
        with self._enter():
            named = as_partitions(places)
            self._settle_for(named)
            self._give_back()
            chosen = named or self._assignment.partitions()
            for where, offset in offsets(chosen).items():
                self._assignment.seek(where, offset)

    def beginning_offsets(self, places: Places) -> dict[TopicPartition, int]:
        """First offset of each partition."""
        return self._assignment.start_offsets(as_partitions(places))

    def end_offsets(self, places: Places) -> dict[TopicPartition, int]:
        """Offset behind the last record of each partition."""
        return self._assignment.end_offsets(as_partitions(places))

    def offsets_for_times(
        self, times: Mapping[tuple[str, int], int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """First record at or after each partition's time (ms since 1970); None where there is none."""
        return self._assignment.offsets_for_times(by_place(times, "timestamp"))

    def lag(self) -> dict[TopicPartition, int]:
        """Records between the position and the end, for each assigned partition."""
        with self._enter():
            ahead = self._iterator.peek()
            ends = self.end_offsets(self._assignment.partitions())
            return {
                where: ends[where] - ahead.get(where, position)
                for where, position in self._assignment.positions().items()
            }

    # ---- the group's stored positions

    def commit(
        self,
        offsets: Mapping[tuple[str, int], int | OffsetAndMetadata] | None = None,
        *,
        wait: bool = True,
    ) -> None:
        """Store positions for the group: of what was handed out so far, or the given ones.

        On disk when it returns; with `wait=False` published only, so that it survives kill -9 and costs no sync.
        Raises InvalidGroup without a group, CommitFailed for a partition that went to another member.
        """
        with self._enter():
            self._need_group()
            chosen = self._positions() if offsets is None else as_offsets(offsets)
            self._subscription.commit(chosen, durable=wait)

    def offsets_to_send(
        self, offsets: Mapping[tuple[str, int], int | OffsetAndMetadata] | None = None
    ) -> tuple[str, dict[TopicPartition, OffsetAndMetadata]]:
        """For Transaction.send_offsets: the group, and what commit(offsets) would store for it. Raises as commit."""
        with self._enter():
            self._need_group()
            chosen = self._positions() if offsets is None else as_offsets(offsets)
            self._subscription.check_commit(chosen, durable=True)
            return str(self.group), chosen

    def _positions(self) -> dict[TopicPartition, OffsetAndMetadata]:
        ahead = self._iterator.peek()
        return as_offsets({w: ahead.get(w, at) for w, at in self._assignment.positions().items()})

    def committed(self, topic: str | tuple[str, int], partition: int | None = None) -> int | None:
        """The group's stored offset of a partition, None when there is none."""
        found = self.committed_entry(topic, partition)
        return None if found is None else int(found.offset)

    def committed_entry(
        self, topic: str | tuple[str, int], partition: int | None = None
    ) -> OffsetAndMetadata | None:
        """As `committed`, with the metadata that was stored beside the offset."""
        with self._enter():
            self._need_group()
            return self._subscription.committed(as_place(topic, partition))

    def _need_group(self) -> None:
        if self.group is None:
            raise InvalidGroup(group="", reason="this consumer was made without group=")

    # ---- life

    def close(self, timeout: float = 30.0, *, commit: bool = True) -> None:
        """Leave the group and end any iteration. From any thread; idempotent.

        With enable.auto.commit positions are committed first, unless `commit` is False (as when an exception
        leaves the consumer's `with` block). `timeout`: seconds to wait for a call under way in another thread.
        """
        self._end(timeout, self._assignment.wake, lambda: self._leave(commit=commit))

    def _leave(self, *, commit: bool) -> None:
        try:
            self._give_back()
            self._subscription.close(commit=commit)
        finally:
            self._assignment.close()

    def __enter__(self) -> Consumer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # What failed inside was handed out, but not done: with automatic commits it must come again.
        self.close(commit=error is None)

    def __repr__(self) -> str:
        of = f"group {self.group!r}" if self.group else "no group"
        return f"<Consumer of {self._log.path}, {of}{', closed' if self._closed else ''}>"
