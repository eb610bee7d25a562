"""Records of topics as events, whoever keeps the topics: what the Kafka source and the logflume source share."""

from __future__ import annotations

import time

import numpy

from logflume._native.row_picker import join_batches, pick_rows
from logflume.agent.components import Source
from logflume.errors import CommitFailed, LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from re import Pattern

    from logflume._native.columns import RecordBatch
    from logflume.agent.events import EventBatch
    from logflume.client.consumer import Consumer
    from logflume.client.log import Log

    Place = tuple[str, int]

__all__ = ["RecordSource"]

_QUIET_S = 0.01  # so long without news, and what has come is handed on
_POLL_S = 0.2
_COMMIT_S = 1.0


class RecordSource(Source):
    """A member of a group. A subclass opens the log and makes events of records.

    With a durable channel the offsets are stored in the events' transaction, and what comes again (the group's own
    offsets are committed behind that) is passed over. So each record is taken once, as long as its partition stays
    with this agent; from one that takes it over it may come again, as with any consumer.
    """

    group: str
    batch_s: float
    """Seconds in which a batch is gathered at most."""

    def open_log(self) -> Log:
        """The log to read; closed by `close` if it is this source's own."""
        raise NotImplementedError

    def consumer_options(self) -> dict[str, object]:
        """Options of the consumer, but for the group's."""
        raise NotImplementedError

    def topics(self) -> str | Iterable[str] | Pattern[str]:
        """What to subscribe to."""
        raise NotImplementedError

    def events(self, records: RecordBatch) -> EventBatch:
        """Records as events, one each."""
        raise NotImplementedError

    def run(self) -> None:
        done = self._stored()
        self._pending: dict[Place, int] = {}
        self._committed = time.monotonic()
        topics = self.topics()
        with self.open_log().consumer(
            group=self.group, enable_auto_commit=False, **self.consumer_options()
        ) as consumer:
            consumer.subscribe(topics, on_revoked=lambda _: self._commit(consumer))
            try:
                while not self.draining.is_set():
                    self._step(consumer, done)
            finally:
                self._commit(consumer)

    def _step(self, consumer: Consumer, done: dict[Place, int]) -> None:
        records = self._gathered(consumer)
        if records is not None:
            fresh = self._fresh(records, done)
            # Never backwards: what comes again may end before what is there.
            ends = {place: max(end, done.get(place, 0)) for place, end in _ends(records).items()}
            if fresh is not None:
                self._hand_on(fresh, ends)
            done.update(ends)
            self._pending.update(ends)
        if time.monotonic() - self._committed >= _COMMIT_S:
            self._commit(consumer)

    def _stored(self) -> dict[Place, int]:
        """Where the channels say that this source stands."""
        out = {}
        prefix = f"{self.group}/"
        for key, value in self.positions.load().items():
            if key.startswith(prefix):
                topic, _, number = key[len(prefix) :].rpartition("-")
                out[topic, int(number)] = int(value)
        return out

    def _gathered(self, consumer: Consumer) -> RecordBatch | None:
        """What is there, up to a batch."""
        wanted = self.put_max
        batch = consumer.poll_batch(_POLL_S, wanted)
        if batch is None:
            return None
        parts, count = [batch], len(batch)
        until = time.monotonic() + self.batch_s
        while count < wanted and (left := until - time.monotonic()) > 0:
            more = consumer.poll_batch(min(left, _QUIET_S), wanted - count)
            if more is None:
                break
            parts.append(more)
            count += len(more)
        return batch if len(parts) == 1 else join_batches(parts)

    def _fresh(self, records: RecordBatch, done: dict[Place, int]) -> RecordBatch | None:
        """Without those that the channels have already; None when nothing is left."""
        lowest = _starts(records)
        if all(at >= done.get(place, 0) for place, at in lowest.items()):
            return records
        kept = [r for r in records.records() if r.offset >= done.get((r.topic, r.partition), 0)]
        self.log.info("taken_already", source=self.name, records=len(records) - len(kept))
        return pick_rows(kept) if kept else None

    def _hand_on(self, records: RecordBatch, ends: dict[Place, int]) -> None:
        positions = {f"{self.group}/{topic}-{n}": str(end) for (topic, n), end in ends.items()}
        self.deliver(self.events(records), positions)

    def _commit(self, consumer: Consumer) -> None:
        """The group's own offsets follow, for `lag` and for whoever takes over: when the events are on disk."""
        self._committed = time.monotonic()
        offsets, self._pending = self._pending, {}
        if not offsets:
            return
        try:
            self.flush()
            consumer.commit(offsets, wait=False)
        except CommitFailed as error:  # a partition went to another member, which reads it again
            self.log.warning("commit_failed", source=self.name, error=error)
        except LogflumeError as error:
            if not error.retriable:
                raise
            self.log.warning("commit_failed", source=self.name, error=error)


def _starts(records: RecordBatch) -> dict[Place, int]:
    """The lowest offset of each partition."""
    return {place: int(offsets.min()) for place, offsets in _by_place(records)}


def _ends(records: RecordBatch) -> dict[Place, int]:
    """The offset behind the highest of each partition."""
    return {place: int(offsets.max()) + 1 for place, offsets in _by_place(records)}


def _by_place(records: RecordBatch) -> list[tuple[Place, numpy.ndarray]]:
    partitions, offsets, topic = records.partitions, records.offsets, records.topic
    if topic is not None:
        numbers = numpy.unique(partitions)
        if len(numbers) == 1:
            return [((topic, int(numbers[0])), offsets)]
        return [((topic, int(n)), offsets[partitions == n]) for n in numbers]
    topics = numpy.array(records.row_topics, dtype=object)
    places = sorted(set(zip(topics.tolist(), partitions.tolist(), strict=True)))
    return [(place, offsets[(topics == place[0]) & (partitions == place[1])]) for place in places]
