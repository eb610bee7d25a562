"""A queue on a directory: a member of a share group that takes records of all partitions of its topics."""

from __future__ import annotations

import time
from dataclasses import replace
from uuid import uuid4

from logflume._native.consumer_core import Fetcher
from logflume._native.partition_reader import PartitionReader
from logflume._native.queue_record import offset_runs, queue_records
from logflume.coordinator.group_configs import GroupConfigs
from logflume.coordinator.share.settings import ShareSettings
from logflume.coordinator.share.share_holder import ShareHolder
from logflume.errors import InvalidRecordState, LogflumeError, UnknownTopicOrPartition
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume._native.columns import RecordBatch
    from logflume._native.queue_record import QueueRecord
    from logflume.client.directory_engine import DirectoryEngine
    from logflume.client.queue.answers import Answers, Outcome
    from logflume.config import QueueConfig
    from logflume.coordinator.share.share_partition import SharePartition
    from logflume.coordinator.share.states import Answer

__all__ = ["QueueMember"]

_OFFSET_MAX = (1 << 63) - 1
_READ_BYTES = 4 << 20  # of segments, for one look at a partition
_METADATA_S = 1.0  # how often new partitions are looked for
_OTHERS_S = (
    0.05  # how soon the death of a member that holds records is noticed by one who waits for them
)
_UNBLOCK_S = 0.02  # how soon a dead producer's open transaction is noticed


def _settings(engine: DirectoryEngine, config: QueueConfig) -> ShareSettings:
    """What the queue was told, and the group's settings for the rest."""
    own = GroupConfigs(engine.path).of(config.group_id)
    settings = ShareSettings.of(own, engine.config)
    told: dict[str, Any] = {}
    if config.share_record_lock_duration_ms is not None:
        told["lock_duration_ms"] = config.share_record_lock_duration_ms
    if config.share_auto_offset_reset is not None:
        told["auto_offset_reset"] = config.share_auto_offset_reset
    if config.share_isolation_level is not None:
        told["read_committed"] = config.share_isolation_level == "read_committed"
    return replace(settings, **told)


class _Source:
    """One partition: what the group does with it, and a reader of its records."""

    def __init__(self, share: SharePartition, reader: PartitionReader) -> None:
        self.share = share
        self.reader = reader

    def take(
        self,
        member_id: str,
        limit: int,
        out: list[QueueRecord],
        answers: list[Answer],
        refused: list[InvalidRecordState],
    ) -> None:
        """Append up to `limit` records to `out`, which are this member's now; hand in answers in the same step."""
        batches: list[RecordBatch] = []
        reader = self.reader

        def read(first: int, last: int | None, most: int) -> tuple[list[tuple[int, int]], int]:
            reader.seek(first)
            # With a last offset there may be others' records in between.
            count = most if last is None else last - first + 1
            batch = reader.read(count, _READ_BYTES)
            batches.append(batch)
            end = reader.position
            if last is None:
                return offset_runs(batch, _OFFSET_MAX), end
            return offset_runs(batch, last), min(end, last + 1)

        taken = self.share.acquire(member_id, limit, read, answers=answers, refused=refused)
        acquired: list[tuple[int, int, int]] = [*taken]
        if acquired:
            for batch in batches:
                queue_records(batch, acquired, out)

    def stand(self) -> PartitionReader:
        """The reader where a wait is for: at the end of what was delivered; nowhere while no more may be."""
        self.reader.seek(_OFFSET_MAX if self.share.is_full() else self.share.end)
        return self.reader


class QueueMember:
    """See client.engine.QueueCore. There is no sharing out of partitions: members share records, and each begins its
    round at another partition, so that they seldom meet."""

    def __init__(self, engine: DirectoryEngine, config: QueueConfig, topics: list[str]) -> None:
        for topic in topics:
            engine.topic(topic)
        self._engine = engine
        self._check_crcs = config.check_crcs
        self._topics = topics
        self._member_id = str(uuid4())
        self._settings = _settings(engine, config)
        self._holder = ShareHolder(
            engine, config.group_id, self._settings, client_id=config.client_id or ""
        )
        self._sources: dict[TopicPartition, _Source] = {}
        self._order: list[_Source] = []
        self._next = 0
        self._looked = 0.0
        self._unblocked = 0.0
        self._pending: Answers = {}
        self._outcome: Outcome = {}
        self._fetcher = Fetcher()
        try:
            self._look()
        except BaseException:
            self._holder.close()
            raise
        self._next = int(self._member_id[:8], 16) % max(len(self._order), 1)

    def _look(self) -> None:
        """Partitions that were added."""
        self._looked = time.monotonic()
        self._engine.refresh()
        for topic in self._topics:
            count = self._engine.topic(topic).partitions
            new = [n for n in range(count) if self._is_new(TopicPartition(topic, n))]
            if not new:
                continue
            self._holder.enter(topic, range(count), self._member_id)
            for number in new:
                share = self._holder.partition(topic, number)
                reader = PartitionReader(
                    share.log,
                    share.end,
                    check_crcs=self._check_crcs,
                    read_committed=self._settings.read_committed,
                )
                self._sources[TopicPartition(topic, number)] = _Source(share, reader)
        self._order = list(self._sources.values())

    def _is_new(self, where: TopicPartition) -> bool:
        found = self._sources.get(where)
        return found is None or bool(found.share.log.gone)

    # ---- QueueCore

    def answer(self, answers: Answers, *, wait: bool) -> Outcome:
        """Hand in answers; see client.engine.QueueCore. Without `wait` the next take() carries them."""
        outcome, self._outcome = self._outcome, {}
        if not wait and not self._pending:
            self._pending = answers
            return outcome
        waiting, self._pending = self._pending, {}
        for where, said in [*waiting.items(), *answers.items()]:
            source = self._sources[where]
            try:
                source.share.acknowledge(self._member_id, said, durable=False)
            except LogflumeError as error:
                outcome[where] = error
            else:
                outcome.setdefault(where, None)
        if wait:
            for where, source in self._sources.items():
                try:
                    source.share.sync()
                except LogflumeError as error:
                    outcome[where] = error
        return outcome

    def take(self, max_records: int) -> tuple[list[QueueRecord], float]:
        """What is there now, of one partition after the other."""
        if time.monotonic() - self._looked >= _METADATA_S:
            self._look()
        out: list[QueueRecord] = []
        order, count = self._order, len(self._order)
        for i in range(count):
            source = order[(self._next + i) % count]
            self._take_of(source, max_records - len(out), out)
            if len(out) >= max_records:
                # The one that filled the call goes on last.
                self._next = (self._next + i + 1) % count
                break
        else:
            self._next = (self._next + 1) % max(count, 1)
        if self._pending:  # of partitions that were not looked at
            self._outcome |= self.answer({}, wait=False)
        return out, 0.0 if out else self._pause()

    def _take_of(self, source: _Source, limit: int, out: list[QueueRecord]) -> None:
        where = TopicPartition(source.share.log.topic, source.share.log.partition)
        answers = self._pending.get(where, [])
        refused: list[InvalidRecordState] = []
        try:
            source.take(self._member_id, limit, out, answers, refused)
        except UnknownTopicOrPartition:
            if not out:
                self._look()
                raise
            return
        if answers:
            del self._pending[where]
            self._outcome[where] = refused[0] if refused else None

    def _pause(self) -> float:
        pause = _METADATA_S
        now_ms = time.time_ns() // 1_000_000
        for source in self._order:
            share = source.share
            deadline = share.next_deadline_ms()
            if deadline is not None:
                pause = min(pause, max((deadline - now_ms) / 1000 + 0.001, 0.001))
            if share.others_hold():
                pause = min(pause, _OTHERS_S)
        if self._settings.read_committed and self._unblock():
            pause = min(pause, _UNBLOCK_S)
        return pause

    def _unblock(self) -> bool:
        """Whether an open transaction is waited for. What a dead producer left open is ended."""
        blocked = [
            source.share.log
            for source in self._order
            if source.share.log.last_stable_offset <= source.share.end < source.share.log.end_offset
        ]
        now = time.monotonic()
        if blocked and now - self._unblocked >= _UNBLOCK_S:
            self._unblocked = now
            self._engine.settle_transactions(blocked)
        return bool(blocked)

    def readers(self) -> list[Any]:
        """Each where something new would be."""
        return [source.stand() for source in self._order]

    def wait(self, seconds: float) -> None:
        """Sleep until there may be news."""
        if any(source.share.is_changed() for source in self._order):
            return  # since take() looked: who freed records has woken nobody, or us before we slept
        self._fetcher.set_readers(self.readers())
        self._fetcher.wait(seconds)

    @property
    def is_joining(self) -> bool:
        """Never: it is a member when it is made."""
        return False

    def check_renew(self) -> None:
        """Locks can be renewed."""

    def wake(self) -> None:
        """From another thread: end a wait."""
        order = self._order
        if order:
            order[0].share.wake()

    def close(self) -> None:
        """Leave; what is held is free."""
        self._holder.close()

    def abandon(self) -> None:
        """In a forked child."""
        self._holder.abandon()
