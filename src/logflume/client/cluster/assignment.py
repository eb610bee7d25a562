"""The partitions that a consumer of a cluster reads, and where it stands in each."""

from __future__ import annotations

import time

from logflume._native.row_picker import join_batches
from logflume.client.cluster.failures import Fail
from logflume.client.cluster.offsets import END, START, list_offsets
from logflume.client.cluster.reading import AUTO_OFFSET_RESET, NO_GROUP, PARTITION_EOF
from logflume.client.cluster.settings import consumer_settings
from logflume.client.cluster.signal import Signal
from logflume.client.consumer.places import not_assigned
from logflume.config import by_duration_ms
from logflume.errors import (
    Closed,
    LogflumeError,
    NoOffsetForPartition,
    OffsetOutOfRange,
)
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import Any

    from logflume._native.columns import RecordBatch
    from logflume._native.rdkafka_consumer import ConsumerHandle
    from logflume.client.cluster.cluster import Cluster
    from logflume.config import ConsumerConfig
    from logflume.types import OffsetAndTimestamp

__all__ = ["ClusterAssignment"]

_FIRST_S = 5.0
_GROUP_CODES = frozenset({15, 16, 24, 30})
"""About the coordinator: of no interest to who has no group, and is looking for one all the same."""


class ClusterAssignment:
    """Not thread-safe, but for wake(): the consumer's guard stands before it.

    Positions are kept here, exactly as in the directory engine; librdkafka's own are not asked for. A partition that
    was added is fetched from once it is started.
    """

    def __init__(self, cluster: Cluster, config: ConsumerConfig) -> None:
        self._cluster = cluster
        self._config = config
        self._settings = {"group.id": NO_GROUP, **consumer_settings(config)}
        self._timeout_ms = config.default_api_timeout_ms
        self._handle: ConsumerHandle | None = None
        self._signal = Signal()
        self._positions: dict[TopicPartition, int] = {}
        self._started: set[TopicPartition] = set()
        self._paused: set[TopicPartition] = set()
        self._failure: LogflumeError | None = None
        self._held: tuple[RecordBatch, list[tuple[str, int, int]]] | None = None  # by await_first
        self.out_of_range: list[TopicPartition] = []
        self._closed = False

    @property
    def handle(self) -> ConsumerHandle:
        """The connection, made when it is first needed."""
        if self._handle is None:
            if self._closed:
                raise Closed(what="the consumer")
            fail = Fail(group=self._config.group_id, instance=self._config.group_instance_id)
            self._handle = self._cluster.consumer_handle(self._settings, fail)
            self._handle.signal_to(self._signal.fileno())
        return self._handle

    @property
    def has_news_of_group(self) -> bool:
        """True when a rebalance waits to be answered."""
        return self._handle is not None and self._handle.has_rebalance

    # ---- which partitions

    def partitions(self) -> set[TopicPartition]:
        """All assigned, paused ones too."""
        return set(self._positions)

    def add(self, committed: Mapping[TopicPartition, int | None]) -> None:
        """Stand at the committed offsets, or where the reset policy says; start() then fetches."""
        new = {where: at for where, at in committed.items() if where not in self._positions}
        resets = self.reset_offsets([where for where, at in new.items() if at is None])
        for where, at in new.items():
            self._positions[where] = resets[where] if at is None else at

    def start(self, wheres: Collection[TopicPartition], *, eager: bool = False) -> None:
        """Fetch from these. `eager`: the group's protocol wants to be told all at once."""
        self._started.update(wheres)
        if eager:
            self.handle.assign(self._places(sorted(self._started)))
        else:
            self.handle.add(self._places(wheres))
        paused = [where for where in wheres if where in self._paused]
        if paused:
            self.handle.pause(paused)

    def stop(self, wheres: Collection[TopicPartition], *, eager: bool = False) -> None:
        """Read these no more."""
        self.forget(wheres)
        running = [where for where in wheres if where in self._started]
        self._started.difference_update(wheres)
        if self._handle is None:
            return
        if eager:
            self.handle.assign(self._places(sorted(self._started)) if self._started else None)
        else:
            self.handle.remove(running)

    def forget(self, wheres: Iterable[TopicPartition]) -> None:
        """They have no position any more."""
        wheres = list(wheres)
        self._drop_held(wheres)
        for where in wheres:
            self._positions.pop(where, None)
            self._paused.discard(where)

    def _drop_held(self, wheres: Iterable[TopicPartition]) -> None:
        """A record that was held for the next poll is not to be handed out."""
        if self._held is not None and TopicPartition(*self._held[1][0][:2]) in set(wheres):
            self._held = None

    def _places(self, wheres: Iterable[TopicPartition]) -> list[tuple[str, int, int]]:
        return [(where.topic, where.partition, self._positions[where]) for where in wheres]

    def pause(self, wheres: Iterable[TopicPartition]) -> None:
        """Fetch nothing from these until resumed; their positions stay. Raises UnknownTopicOrPartition."""
        chosen = list(wheres)
        for where in chosen:
            self.position(where)
        for where in chosen:
            if self._held is not None and TopicPartition(*self._held[1][0][:2]) == where:
                self.seek(where, self._positions[where])
        self._paused.update(chosen)
        self.handle.pause([where for where in chosen if where in self._started])

    def resume(self, wheres: Iterable[TopicPartition]) -> None:
        """Fetch from these again."""
        chosen = [where for where in wheres if where in self._paused]
        self._paused.difference_update(chosen)
        running = [where for where in chosen if where in self._started]
        if running:
            self.handle.resume(running)

    def paused(self) -> set[TopicPartition]:
        """Those that pause() holds."""
        return set(self._paused)

    # ---- positions

    def position(self, where: TopicPartition) -> int:
        """Offset of the next record to hand out."""
        try:
            return self._positions[where]
        except KeyError:
            raise not_assigned(where, self._positions) from None

    def is_gone(self, where: TopicPartition) -> bool:
        """False: librdkafka follows what becomes of a topic's name."""
        return False

    def positions(self) -> dict[TopicPartition, int]:
        """Of all assigned partitions."""
        return dict(self._positions)

    def seek(self, where: TopicPartition, offset: int) -> None:
        """Stand at `offset`. One outside the log is met by the reset policy when it is fetched from."""
        if offset < 0:
            raise ValueError(f"offset {offset} is negative")
        self.position(where)
        self._positions[where] = offset
        self._drop_held([where])
        if where not in self._started:
            return
        place = [(where.topic, where.partition, offset)]
        if any(code for _, _, _, code, _ in self.handle.seek(place, self._timeout_ms)):
            self._restart(where)

    def _restart(self, where: TopicPartition) -> None:
        """Begin anew at the position: librdkafka has not come to fetching it yet, or has given it up."""
        if self.is_eager:
            self.handle.assign(self._places(sorted(self._started)))
        else:
            self.handle.remove([where])
            self.handle.add(self._places([where]))
        if where in self._paused:
            self.handle.pause([where])

    @property
    def is_eager(self) -> bool:
        """True in a group whose members give up all partitions at once."""
        return self.handle.is_eager

    def reset_offsets(self, wheres: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Where the policy says to begin. Raises NoOffsetForPartition when it is `none`."""
        reset = self._config.auto_offset_reset
        if not wheres:
            return {}
        if reset == "none":
            raise NoOffsetForPartition(
                topic=wheres[0].topic, partition=wheres[0].partition, group=self._config.group_id
            )
        if reset in ("earliest", "latest"):
            return self._offsets(dict.fromkeys(wheres, START if reset == "earliest" else END))
        age = by_duration_ms(reset)
        since = time.time_ns() // 1_000_000 - (age or 0)
        found = self._offsets(dict.fromkeys(wheres, since))
        ends = self._offsets(dict.fromkeys([w for w in wheres if found[w] < 0], END))
        return {**found, **ends}

    def _offsets(self, times: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """ListOffsets; -1 where there is nothing at or after the time."""
        return list_offsets(self.handle, times, self._timeout_ms) if times else {}

    def start_offsets(self, wheres: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """First offset of each partition."""
        return self._offsets(dict.fromkeys(wheres, START))

    def end_offsets(self, wheres: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Offset behind the last record of each partition; with read_committed, behind the last that is decided."""
        return self._offsets(dict.fromkeys(wheres, END))

    def offsets_for_times(
        self, times: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """First record at or after each partition's time (ms since 1970); None where there is none."""
        return self._cluster.admin.offsets_for_times(
            {where: max(0, at) for where, at in times.items()}
        )

    # ---- fetching

    def fetch(self, max_records: int) -> RecordBatch | None:
        """What is there now; None when nothing is. Positions out of range are noted."""
        if self._failure is not None:
            error, self._failure = self._failure, None
            raise error
        if self._handle is None:
            return None
        self._signal.clear()
        held, self._held = self._held, None
        room = max_records - (held is not None)
        batch, ends, events = self._handle.fetch(room, 0) if room else (None, [], [])
        if held is not None:
            batch = held[0] if batch is None else join_batches([held[0], batch])
            ends = held[1] + ends
        for topic, number, following in ends:
            self._positions[TopicPartition(topic, number)] = following
        for event in events:
            try:
                self._take_event(event)
            except LogflumeError as error:
                if batch is None:
                    raise
                self._failure = error
        return batch

    def _take_event(self, event: tuple[int, str | None, int, int, str]) -> None:
        code, topic, number, offset, text = event
        where = TopicPartition(topic or "", number)
        if code == PARTITION_EOF:
            # Behind the last record may stand markers of transactions, which are nobody's records.
            if offset > self._positions.get(where, offset):
                self._positions[where] = offset
        elif code in (AUTO_OFFSET_RESET, OffsetOutOfRange.code):
            if where in self._positions:
                self.out_of_range.append(where)
        elif self._config.group_id is not None or code not in _GROUP_CODES:
            fail = Fail(
                topic=topic,
                partition=number if number >= 0 else None,
                group=self._config.group_id,
                instance=self._config.group_instance_id,
            )
            raise fail(code, text)

    def reset_out_of_range(self) -> None:
        """Apply the reset policy where fetching met a position outside the log. Raises OffsetOutOfRange."""
        while self.out_of_range:
            where = self.out_of_range.pop()
            if where in self._started:
                self._reset(where)

    def _reset(self, where: TopicPartition) -> None:
        if self._config.auto_offset_reset == "none":
            raise OffsetOutOfRange(
                topic=where.topic,
                partition=where.partition,
                offset=self._positions[where],
                start_offset=self.start_offsets([where])[where],
                end_offset=self.end_offsets([where])[where],
            )
        self._positions[where] = self.reset_offsets([where])[where]
        self._restart(where)

    def has_news(self, iterator: object) -> bool:
        """Whether a poll that does not wait may find something: only fetching tells, once there is a connection."""
        return self._handle is not None

    def await_first(self, wheres: Iterable[TopicPartition]) -> None:
        """Wait until a record of these has come, or the end of each: a poll then tells the truth about them.

        Without that, the first polls of a program that reads "until nothing is left" would find nothing.
        """
        fresh = {where for where in wheres if where in self._started and where not in self._paused}
        deadline = time.monotonic() + _FIRST_S
        while fresh and self._held is None and self._failure is None:
            self._signal.clear()
            batch, ends, events = self.handle.fetch(1, 0)
            if batch is not None:
                self._held = batch, ends
            for event in events:
                fresh.discard(TopicPartition(event[1] or "", event[2]))
                try:
                    self._take_event(event)
                except LogflumeError as error:
                    self._failure = error
            left = deadline - time.monotonic()
            if left <= 0 or self.has_news_of_group:
                return
            if batch is None and not events:
                self._signal.wait(left)

    def await_group(self, seconds: float) -> None:
        """Wait until the group has answered a member that came."""
        deadline = time.monotonic() + seconds
        while not self.has_news_of_group and self._failure is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return
            self._signal.wait(min(left, 0.5))
            for event in self.handle.fetch(1, 0)[2]:
                try:
                    self._take_event(event)
                except LogflumeError as error:
                    self._failure = error

    def wait(self, seconds: float) -> bool:
        """Sleep until there may be news; may return early."""
        if self.has_news_of_group or self.out_of_range or self._held is not None:
            return True
        return self._signal.wait(seconds)

    def wake(self) -> None:
        """From another thread: end a wait."""
        self._signal.wake()

    def has_readers(self) -> bool:
        """True once there is a connection: even where all is paused, the group may have news."""
        return self._handle is not None

    def readers(self) -> list[Any]:
        """The descriptor that tells of news."""
        return [self._signal]

    def group_position(self) -> Any:
        """What a transaction's send_offsets tells the group's coordinator of this member."""
        return self.handle.group_position()

    # ---- life

    def disconnect(self) -> None:
        """Leave the group and close the connection; another is made when it is needed."""
        handle, self._handle = self._handle, None
        self._positions, self._started, self._paused = {}, set(), set()
        self._held = None
        if handle is not None:
            try:
                handle.leave_group()
            finally:
                handle.close()

    def close(self) -> None:
        """Close the connection. Idempotent."""
        if not self._closed:
            self._closed = True
            self.disconnect()
            self._signal.close()
