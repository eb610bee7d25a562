"""A share partition: what one holder does with a partition that the members of a share group work off together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from logflume._native.consumer_core import Fetcher
from logflume.coordinator.group_file import GroupFile
from logflume.errors import (
    InvalidRecordState,
    LockTimeout,
    OffsetOutOfRange,
    UnknownTopicOrPartition,
)
from logflume.log.boot import boot_id
from logflume.observe import get_logger
from logflume.types import NamedTuple

from .settings import ShareSettings
from .state_log import DurableState, ShareStateLog
from .state_schema import ShareKey
from .states import Acquired, Answer, RecordState
from .window import FINAL, AnswerRefused, Window
from .working_table import Holder, WorkingTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume._native.partition import Partition

    Read = Callable[[int, int | None, int], tuple[list[tuple[int, int]], int]]
    """(first offset, last or None, most records) -> (runs of offsets that exist, offset behind what was seen)."""

__all__ = ["SharePartition", "SharePartitionInfo", "describe"]

_READS_MAX = 64  # of one acquire: more are for the next
_logger = get_logger(__name__)


class SharePartitionInfo(NamedTuple):
    """What people and Kafka's tools ask. `end_offset` is the first that was never delivered; `lag` counts what is not
    done up to the log's end; `in_flight` has (first, last, state, delivery count, member or "") of each stretch."""

    start_offset: int
    end_offset: int
    delivery_complete_count: int
    state_epoch: int
    leader_epoch: int
    lag: int
    in_flight: list[tuple[int, int, RecordState, int, str]]


class SharePartition:
    """Of one ShareHolder, which makes and closes it. Not thread-safe; other holders are kept out by the file's lock.

    Each step holds the lock for some tens of microseconds: it reads what others changed, changes the window, appends
    what is durable to `__share_group_state`, and writes the table. Killed anywhere between, the log counts, and what
    its process held is free. Steps raise LockTimeout, DiskFull, CorruptRecord ...; then nothing has happened.
    """

    def __init__(
        self,
        log: Partition,
        key: ShareKey,
        path: str,
        state_log: ShareStateLog,
        settings: ShareSettings,
        *,
        client_id: str = "",
        snapshot_every: int = 500,
        lock_timeout_s: float = 10.0,
    ) -> None:
        self.log = log
        self.key = key
        self.settings = settings
        self._path = path
        self._state_log = state_log
        self._client_id = client_id
        self._snapshot_every = snapshot_every
        self._lock_timeout_s = lock_timeout_s
        self._boot = boot_id()
        self._file: GroupFile | None = None
        self._table: WorkingTable | None = None
        self._generation = -1
        self._data = b""
        self._slot = -1
        self._numbers: dict[str, int] = {}
        self._acked_to = 0
        self._waker = Fetcher()
        self._waker.set_readers([log.reader(0)])

    # ---- steps

    @contextmanager
    def _step(self) -> Iterator[Window]:
        """Hold the file, with the window as it is; what was changed is written at the end."""
        while True:
            file = self._open_file()
            with file.locked():
                try:
                    table = self._load(file)
                    if table.deleted:
                        self.forget()
                        continue
                    waited = bool(table.window.plan(1))
                    self._free_dead(file, table)
                    yield table.window
                    self._store(file, table)
                except BaseException:
                    self._table = None  # as if nothing had happened
                    raise
            if not waited and table.window.plan(1):
                self._waker.wake()
            return

    def _open_file(self) -> GroupFile:
        if self.log.gone:
            raise UnknownTopicOrPartition(topic=self.log.topic, partition=self.log.partition)
        if self._file is None:
            try:
                self._file = GroupFile(self._path, create=True, lock_timeout_s=self._lock_timeout_s)
            except FileNotFoundError:
                where = self.log.topic, self.log.partition
                raise UnknownTopicOrPartition(topic=where[0], partition=where[1]) from None
        return self._file

    def _load(self, file: GroupFile) -> WorkingTable:
        table = self._table
        if table is None or file.generation != self._generation:
            table = self._read(file)
            if table.deleted:
                return table
            if self._slot < 0:
                self._enter(file, table)
        last = self._state_log.last_offset(self.key)
        if last != table.applied:
            self._catch_up(table, last)
        if (end := self.log.end_offset) < table.window.end:
            table.window.cut_end(end)
        if (start := self.log.start_offset) > table.window.start:
            table.window.move_start(start)
        self._table = table
        return table

    def _read(self, file: GroupFile) -> WorkingTable:
        stored = file.read_or_restart()
        self._generation = stored.generation
        self._data = stored.data or b""
        table = None
        if stored.data is not None:
            table = WorkingTable.decode(stored.data, path=file.path)
            if table.deleted:
                return table
        if table is None or table.boot != self._boot:
            # Holders of before the last boot are dead; what they had done and did not commit may be lost.
            table = self._anew(self._state_log.state(self.key))
        return table

    def _anew(self, state: DurableState | None) -> WorkingTable:
        if state is None:
            now_ms = time.time_ns() // 1_000_000
            state = DurableState(-1, 0, 0, now_ms, None)
        window = state.window
        if window is None:
            window = Window(self.settings.first_offset(self.log))
        return WorkingTable(
            self._boot,
            window,
            state.state_epoch,
            state.snapshot_epoch,
            state.leader_epoch,
            state.create_ms,
            self._state_log.last_offset(self.key),
            -1 if state.window is None else window.start,
        )

    def _catch_up(self, table: WorkingTable, last: int) -> None:
        """The log has what the table has not: its writer died in between, or a Kafka ran on the directory."""
        state = self._state_log.state(self.key)
        if state is None or state.window is None or state.state_epoch != table.state_epoch:
            anew = self._anew(state)
            table.window, table.written_start = anew.window, anew.written_start
            table.state_epoch, table.snapshot_epoch = anew.state_epoch, anew.snapshot_epoch
        else:
            # What is done is done. Else the table knows more: who holds what, and deliveries since.
            end = table.window.end
            told = [b for b in state.window.batches() if b.state in FINAL or b.first >= end]
            table.window.overlay(state.window.start, told)
            table.snapshot_epoch = state.snapshot_epoch
            table.written_start = state.window.start
        table.applied = last

    def _free_dead(self, file: GroupFile, table: WorkingTable) -> None:
        slots = {h.slot for h in table.holders.values()} - {self._slot}
        dead = {slot for slot in slots if not file.is_slot_alive(slot)}
        if not dead:
            return
        gone = {n for n, h in table.holders.items() if h.slot in dead}
        for number in gone:
            del table.holders[number]
        table.window.free_where(lambda s: s.holder in gone, self.settings.delivery_count_limit)

    def _enter(self, file: GroupFile, table: WorkingTable) -> None:
        """Lock a slot of one's own. Whoever had it before is dead, and so is what stands under it."""
        slot = 0
        while not file.lock_slot(slot):
            slot += 1
        gone = {n for n, h in table.holders.items() if h.slot == slot}
        for number in gone:
            del table.holders[number]
        table.window.free_where(lambda s: s.holder in gone, self.settings.delivery_count_limit)
        self._slot = slot

    def _store(self, file: GroupFile, table: WorkingTable) -> None:
        window = table.window
        if window.start != table.written_start or any(s.dirty for s in window.spans):
            count = self._state_log.updates_since_snapshot(self.key)
            if 0 <= count < self._snapshot_every:
                offset = self._state_log.append_update(self.key, table.snapshot_epoch, window)
            else:
                table.snapshot_epoch += 1
                state = DurableState(
                    table.snapshot_epoch,
                    table.state_epoch,
                    table.leader_epoch,
                    table.create_ms,
                    window,
                )
                offset = self._state_log.append_snapshot(self.key, state)
            table.applied, table.written_start = offset, window.start
            window.written()
        data = table.encode()
        if data != self._data:
            file.write(data, self._generation + 1)
            self._generation += 1
            self._data = data

    def _number(self, member_id: str) -> int:
        """The number under which a member of this holder holds records; entered in the table. Within a step."""
        table = self._table
        assert table is not None
        number = self._known(member_id)
        if number < 0:
            number = self._numbers[member_id] = table.next_number
            table.next_number += 1
            table.holders[number] = Holder(
                number,
                self._slot,
                member_id,
                os.getpid(),
                self._client_id,
                time.time_ns() // 1_000_000,
            )
        return number

    def _known(self, member_id: str) -> int:
        """The member's number, -1 when it has none (any more). Within a step."""
        assert self._table is not None
        number = self._numbers.get(member_id, -1)
        holder = self._table.holders.get(number)
        # One that was given in a step that failed may be another's now.
        mine = holder is not None and (holder.slot, holder.member_id) == (self._slot, member_id)
        return number if mine else -1

    # ---- what a member does

    def join(self, member_id: str) -> None:
        """Be known as a member, before anything is acquired; chooses the group's start where it has none."""
        with self._step():
            self._number(member_id)

    def acquire(
        self,
        member_id: str,
        max_records: int,
        read: Read,
        *,
        answers: Sequence[Answer] = (),
        refused: list[InvalidRecordState] | None = None,
        now_ms: int | None = None,
    ) -> list[Acquired]:
        """Take up to `max_records`: what waits to be delivered again, then what was never delivered.

        `read` says what the log has; it is called under the lock. What it raises is raised when nothing was taken
        before. Locks that ran out are freed first, and `answers` done, as `acknowledge(durable=False)` does it; its
        error goes into `refused` and keeps nothing from being taken.
        """
        now = _now_ms(now_ms)
        taken: list[Acquired] = []
        with self._step() as window:
            self._expire(window, now)
            try:
                self._answer(window, member_id, answers, now)
            except InvalidRecordState as error:
                if refused is not None:
                    refused.append(error)
            number, deadline = self._number(member_id), now + self.settings.lock_duration_ms

            def look(first: int, last: int | None, limit: int) -> bool:
                """Take what is there; False when nothing is, or all that may be taken was."""
                runs, end = read(first, last, limit)
                taken.extend(window.acquire(first, end, runs, limit, number, deadline))
                return end > first

            try:
                for first, last in window.plan(max_records)[:_READS_MAX]:
                    if (left := max_records - _count(taken)) > 0:
                        look(first, last, left)
                for _ in range(_READS_MAX):
                    room = self.settings.max_record_locks - window.in_flight()
                    limit = min(max_records - _count(taken), room)
                    if limit <= 0 or not look(window.end, None, limit):
                        break
            except OffsetOutOfRange:
                # The log's start moved meanwhile: the next step sees it.
                if self.log.start_offset <= window.start:
                    raise
            except Exception:
                if not taken:
                    raise
        return taken

    def acknowledge(
        self,
        member_id: str,
        answers: Sequence[Answer],
        *,
        durable: bool = True,
        now_ms: int | None = None,
    ) -> None:
        """Do what a member says of records that it holds: all of it, or nothing. With `durable`, `sync()` too.

        Raises InvalidRecordState for a record that it does not hold (any longer).
        """
        now = _now_ms(now_ms)
        with self._step() as window:
            self._expire(window, now)
            self._answer(window, member_id, answers, now)
        if durable:
            self.sync()

    def _answer(self, window: Window, member_id: str, answers: Sequence[Answer], now: int) -> None:
        """Within a step. Raises InvalidRecordState; then the window is as before."""
        if not answers:
            return
        try:
            window.answer(
                answers,
                self._known(member_id),
                count_limit=self.settings.delivery_count_limit,
                deadline_ms=now + self.settings.lock_duration_ms,
                renew=self.settings.renew,
            )
        except AnswerRefused as error:
            raise InvalidRecordState(
                topic=self.log.topic,
                partition=self.log.partition,
                offset=error.offset,
                reason=error.reason,
            ) from None
        self._acked_to = max(self._acked_to, max((a.last + 1 for a in answers), default=0))

    def sync(self) -> None:
        """Have all answers so far on disk, and before them the records that they are for: after a power loss others
        would take their offsets, and be passed over. Blocks."""
        if self._acked_to:
            self.log.sync(min(self._acked_to, self.log.end_offset))
        if self._table is not None and self._table.applied >= 0:
            self._state_log.sync(self._table.applied)

    def release_member(self, member_id: str) -> None:
        """A member leaves: its records are available at once, and this delivery is not counted (as Kafka)."""
        if member_id not in self._numbers:
            return
        with self._step() as window:
            number = self._known(member_id)
            window.free_where(
                lambda s: s.holder == number, self.settings.delivery_count_limit, taken_back=1
            )
            assert self._table is not None
            self._table.holders.pop(number, None)
        del self._numbers[member_id]

    def expire(self, *, now_ms: int | None = None) -> bool:
        """Free what is over, or whose holder is dead. True when records wait to be delivered again."""
        with self._step() as window:
            self._expire(window, _now_ms(now_ms))
            return bool(window.plan(1))

    def _expire(self, window: Window, now: int) -> None:
        window.free_where(lambda s: s.deadline_ms <= now, self.settings.delivery_count_limit)

    # ---- looking, as of the last step

    def next_deadline_ms(self) -> int | None:
        """When the first lock runs out, ms since 1970."""
        return None if self._table is None else self._table.window.next_deadline_ms()

    def has_available(self) -> bool:
        """Whether there was anything to take at the last step, or there are records behind its end. Cheap."""
        if self._table is None:
            return True
        window = self._table.window
        if any(s.state is RecordState.AVAILABLE for s in window.spans):
            return True
        return self.log.end_offset > window.end and not self.is_full()

    def is_full(self) -> bool:
        """Whether no more may be in flight."""
        table = self._table
        return table is not None and table.window.in_flight() >= self.settings.max_record_locks

    def others_hold(self) -> bool:
        """Whether others, who may die, hold records."""
        table = self._table
        return table is not None and bool(table.window.holders() - set(self._numbers.values()))

    @property
    def end(self) -> int:
        """The first offset that was never delivered."""
        return 0 if self._table is None else self._table.window.end

    def is_changed(self) -> bool:
        """Whether another holder has changed anything since the last step. Cheap."""
        return self._file is not None and self._file.generation != self._generation

    def info(self) -> SharePartitionInfo:
        """All about it, as of now."""
        with self._step():
            assert self._table is not None
            return describe(self._table, self.log.end_offset)

    def wake(self) -> None:
        """End the waits of all who wait for this partition, in any process."""
        self._waker.wake()

    # ---- life

    def forget(self) -> None:
        """Close the file; the next step opens the one that is there."""
        if self._file is not None:
            self._file.close()
        self._file, self._table, self._slot, self._generation = None, None, -1, -1
        self._numbers.clear()

    def close(self) -> None:
        """Release what is held, and end. Idempotent. What cannot be released is free when its file is closed."""
        try:
            for member_id in list(self._numbers):
                self.release_member(member_id)
        except LockTimeout as error:
            _logger.warning("records not released", path=self._path, why=str(error))
        finally:
            self.forget()


def describe(table: WorkingTable, log_end: int) -> SharePartitionInfo:
    """What a table says; `log_end` is the offset behind the partition's last record."""
    window, names = table.window, {n: h.member_id for n, h in table.holders.items()}
    complete = window.complete_count()
    return SharePartitionInfo(
        window.start,
        window.end,
        complete,
        table.state_epoch,
        table.leader_epoch,
        max(log_end - window.start - complete, 0),
        [(s.first, s.last, s.state, s.count, names.get(s.holder, "")) for s in window.spans],
    )


def _count(taken: list[Acquired]) -> int:
    return sum(a.last - a.first + 1 for a in taken)


def _now_ms(now_ms: int | None) -> int:
    return time.time_ns() // 1_000_000 if now_ms is None else now_ms
