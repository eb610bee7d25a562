"""Producers with a transactional id: who they are, and how their transactions begin and end."""

from __future__ import annotations

import time

from logflume._native.transactions import reserve
from logflume.errors import (
    InvalidTransactionTimeout,
    ProducerFenced,
    TransactionAborted,
    TransactionInDoubt,
    TransactionTimedOut,
)
from logflume.observe import get_logger
from logflume.types import TopicPartition

from .checkpoint import checkpoint, is_due
from .entry import Entry, State
from .redo import REDO_HEADER, PartitionRedo, encode_redo
from .room import Room, wall_clock_ms
from .settling import decide, is_owned, quieten, settle, settle_one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from logflume._native.partition import Partition
    from logflume.errors import LogflumeError
    from logflume.log.directory import LogDirectory
    from logflume.types import OpenTransaction

    from .state_log import StateLog, Stored

    # Topic, partition, first offset, end offset, (base offset, batches) or None when they were too many to keep.
    Part = tuple[str, Partition, int, int, list[tuple[int, bytes]] | None]

__all__ = ["TransactionCoordinator"]

_NAP_S = 0.001

_logger = get_logger(__name__)


class TransactionCoordinator:
    """Of one open directory. Thread-safe; other processes' coordinators decide in turn with it.

    An `Entry` that a method returns is what its producer goes on with.
    """

    patience_s = 1.0
    """How long the beginning of a transaction waits at most, so that others that overlap without end are seen."""

    def __init__(
        self, directory: LogDirectory, *, now_ms: Callable[[], int] = wall_clock_ms
    ) -> None:
        self.room = Room(directory, now_ms=now_ms)
        self._directory = directory
        self._patient_from = 0.0  # on the monotonic clock

    # ---- producers

    def init(
        self,
        transactional_id: str,
        timeout_ms: int,
        *,
        client: Callable[[Entry | None], Entry | None] | None = None,
    ) -> Entry:
        """Be the producer of this id from now on; whoever was it before is fenced, and what he left open aborted.

        Durable when it returns. Kafka's InitProducerId. `client`: for a broker's client, of whose life nothing is
        known; called with the mutex held and the newest entry, it may refuse, or give the entry to be answered.
        Raises InvalidTransactionTimeout, LockTimeout, StorageError.
        """
        limit = self._directory.config.transaction_max_timeout_ms
        if not 0 < timeout_ms <= limit:
            raise InvalidTransactionTimeout(timeout_ms=timeout_ms, limit_ms=limit)
        return self._init(transactional_id, timeout_ms, client, embedded=client is None)

    def renew(self, mine: Entry) -> Entry:
        """As `init`, by its own producer after a failure: KIP-360. Raises ProducerFenced when another came after it."""

        def look(entry: Entry | None) -> None:
            error = _fence(mine, entry)
            if isinstance(error, ProducerFenced):
                raise error
            # Its sends are over: it is no danger to itself.
            self.release(mine)

        return self._init(mine.transactional_id, mine.timeout_ms, look, embedded=True)

    def _init(
        self,
        transactional_id: str,
        timeout_ms: int,
        look: Callable[[Entry | None], Entry | None] | None,
        *,
        embedded: bool,
    ) -> Entry:
        taken: Entry | None = None
        stored: Stored | None = None
        new_id: int | None = None
        while taken is None:
            with self.room.locked() as log:
                if look is not None and (known := look(log.get(transactional_id))) is not None:
                    return known
                taken = self._take_over(log, transactional_id, timeout_ms, new_id)
                if taken is not None:
                    if embedded:
                        # Before anybody can read of it: he would take it for dead.
                        self.room.presence.hold(taken.producer_id, taken.producer_epoch)
                    stored = log.append(taken)
            if taken is None:
                new_id = self._directory.producer_ids.claim()  # not with the mutex held
        assert stored is not None
        try:
            stored.sync()
        except BaseException:
            self.release(taken)
            raise
        return taken

    def _take_over(
        self, log: StateLog, transactional_id: str, timeout_ms: int, new_id: int | None
    ) -> Entry | None:
        """None when a new producer id is needed for it."""
        now = self.room.now_ms()
        entry = log.get(transactional_id)
        if entry is None:
            return (
                None if new_id is None else Entry.first(transactional_id, new_id, timeout_ms, now)
            )
        entry = quieten(self.room, log, entry)
        # One that lives may be in the middle of a send, with an epoch that this partition or that has seen no higher
        # one than. Under another id its records can never end with ours.
        if is_owned(self.room, entry) or entry.epoch_is_exhausted:
            return None if new_id is None else entry.taken_over(timeout_ms, now, new_id)
        return entry.taken_over(timeout_ms, now)

    def release(self, mine: Entry) -> None:
        """This producer is gone: closed, or fenced and replaced."""
        self.room.presence.release(mine.producer_id, mine.producer_epoch)

    def clear(self, mine: Entry, partitions: Iterable[Partition]) -> None:
        """Before the first send to these: end what earlier producers of this id left open there."""
        left = [
            (partition, found)
            for partition in partitions
            for found in partition.open_transactions()
            if found.producer_id == mine.producer_id and found.epoch < mine.producer_epoch
        ]
        if left:
            with self.room.locked():
                for partition, found in left:
                    self.room.mark([partition], found.producer_id, mine.producer_epoch, False)

    # ---- transactions

    def begin(self, mine: Entry, *, wait: bool = True) -> Entry:
        """A transaction is open. Raises ProducerFenced, TransactionTimedOut, TransactionAborted (of an earlier one).

        Unless `wait` is false it waits for a moment, `patience_s` seconds at most, while transactions overlap in a
        chain without end (`Holding.is_chain`).
        """
        patience = self.patience() if wait else 0.0
        deadline = time.monotonic() + patience
        while True:
            with self.room.locked() as log:
                current = self._own(log, mine)
                if current.state.is_decided:
                    current = self.room.finish(log, current)
                patient = time.monotonic() < deadline
                if not (patient and self._in_chain(log)):
                    if patience and not patient:
                        self.lose_patience()
                    begun = current.begun(self.room.now_ms())
                    log.append(begun)
                    return begun
            time.sleep(_NAP_S)

    def patience(self) -> float:
        """Seconds that a transaction may wait for such a chain's end now; none for a while after it was in vain: a
        thread with several producers would wait for itself."""
        return self.patience_s if time.monotonic() >= self._patient_from else 0.0

    def lose_patience(self) -> None:
        """It was waited in vain: at most a tenth of the time is spent so."""
        self._patient_from = time.monotonic() + 10 * self.patience_s

    def in_chain(self) -> bool:
        """Whether `begin` would wait: for those who wait in their own way."""
        if not self.room.held.is_used(self.room.open()):
            return False
        with self.room.locked() as log:
            return self._in_chain(log)

    def _in_chain(self, log: StateLog) -> bool:
        """Whether one more transaction would keep what is held from ever being shown; the dead ones are ended."""
        held = self.room.held
        if not held.is_used(self.room.open()):
            return False

        def living(partition: Partition) -> list[OpenTransaction]:
            found = partition.open_transactions()
            return [one for one in found if not settle_one(self.room, log, partition, one)]

        return held.is_chain(living, log.of_producer)

    def commit(self, mine: Entry, parts: Sequence[Part]) -> Entry:
        """Decide that it is committed, and show it to all readers at once. One sync, of the state log.

        Raises ProducerFenced, TransactionTimedOut, TransactionAborted, UnknownTopicOrPartition (deleted meanwhile),
        DiskFull, LockTimeout: it is not committed, and `abort` is due; and TransactionInDoubt.
        """
        if not parts:
            return self._end_empty(mine)
        prepared, stored = self.prepare(mine, parts)
        try:
            stored.sync()
        except Exception as error:
            raise TransactionInDoubt(
                transactional_id=mine.transactional_id, reason=f"its decision: {error}"
            ) from error
        return self.complete(prepared, [part[1] for part in parts])

    def prepare(
        self, mine: Entry, parts: Sequence[Part], raised: Callable[[Entry], Entry] | None = None
    ) -> tuple[Entry, Stored]:
        """The first half of a commit: its decision, which stands once it is synced; then `complete` is due.

        `raised`: the epoch with which it is decided (Entry.raised). Raises as `commit`, but for TransactionInDoubt.
        """
        reserve([part[1] for part in parts])
        redo = self._redo(parts)
        places = tuple(sorted(part.place for part in redo))
        with self.room.locked() as log:
            current = self._own(log, mine)
            if current.is_timed_out(self.room.now_ms()):
                raise TransactionTimedOut(
                    transactional_id=mine.transactional_id, timeout_ms=mine.timeout_ms
                )
            prepared = current.prepared(places, self.room.now_ms())
            if raised is not None:
                prepared = raised(prepared)
            return prepared, log.append(prepared, [(REDO_HEADER, encode_redo(redo))])

    def pledge(self, mine: Entry, parts: Sequence[Part], decided_by: bytes) -> Entry:
        """Make all of it durable, and leave the decision to somebody outside the log (external.py). One sync.

        Raises as `commit`, but for TransactionInDoubt: nothing is decided by then, and `abort` is due.
        """
        reserve([part[1] for part in parts])
        redo = self._redo(parts)
        places = tuple(sorted(part.place for part in redo))
        with self.room.locked() as log:
            current = self._own(log, mine)
            now = self.room.now_ms()
            if current.is_timed_out(now):
                raise TransactionTimedOut(
                    transactional_id=mine.transactional_id, timeout_ms=mine.timeout_ms
                )
            pledged = current.pledged(places, decided_by, now)
            stored = log.append(pledged, [(REDO_HEADER, encode_redo(redo))])
        stored.sync()
        return pledged

    def keep(self, pledged: Entry, parts: Sequence[Part]) -> Entry:
        """It was decided that the pledged transaction is committed: show it. No sync, for the decision is on disk.

        Raises TransactionInDoubt when showing it failed.
        """
        name = pledged.transactional_id
        try:
            with self.room.locked() as log:
                if log.get(name) != pledged:
                    return pledged.prepared((), self.room.now_ms()).completed(self.room.now_ms())
                headers = [(REDO_HEADER, log.headers_of(pledged).get(REDO_HEADER) or b"")]
                prepared = pledged.prepared(pledged.partitions, self.room.now_ms())
                log.append(prepared, headers)
        except Exception as error:
            reason = f"it is committed, readers will see it, but: {error}"
            raise TransactionInDoubt(transactional_id=name, reason=reason) from error
        return self.complete(prepared, [part[1] for part in parts])

    def resolve(self, pledged: Entry, parts: Sequence[Part]) -> bool:
        """End a pledged transaction as its database says now: True when it is committed. Raises TransactionInDoubt."""
        with self.room.locked() as log:
            current = log.get(pledged.transactional_id)
            if current == pledged:
                current = decide(self.room, log, pledged)
            if current is not None and current.state is State.COMPLETE_COMMIT:
                return True
            partitions = [part[1] for part in parts if not part[1].gone]
            self._end_fenced(log, pledged, partitions)
            return False

    def free_id(self, prefix: str) -> str:
        """A transactional id that begins so, and that nobody uses at this moment."""
        with self.room.locked() as log:
            number = 0
            while (entry := log.get(f"{prefix}{number}")) is not None and is_owned(
                self.room, entry
            ):
                number += 1
            return f"{prefix}{number}"

    def _redo(self, parts: Sequence[Part]) -> list[PartitionRedo]:
        """What the commit's record carries. Partitions whose batches it does not are synced here."""
        found = []
        for topic, partition, first, end, batches in parts:
            # Raises when the topic was deleted: then nothing can be committed in it.
            topic_id = self._directory.topic(topic).topic_id or ""
            if batches is None:
                partition.sync(end)
            on_disk = partition.durable_offset >= end
            place = TopicPartition(topic, partition.partition)
            kept = () if on_disk else tuple(batches or ())
            found.append(PartitionRedo(place, topic_id, first, end, kept))
        return found

    def complete(self, prepared: Entry, partitions: list[Partition]) -> Entry:
        """The decision is durable: nothing that happens here makes it undone. Raises TransactionInDoubt."""
        name = prepared.transactional_id
        try:
            with self.room.locked() as log:
                current = log.get(name)
                if current != prepared:
                    # Another finished it for us.
                    return prepared.completed(self.room.now_ms())
                there = [partition for partition in partitions if not partition.gone]
                self.room.mark(there, prepared.producer_id, prepared.producer_epoch, True)
                done = prepared.completed(self.room.now_ms())
                log.append(done)
                if is_due(self.room, log):
                    checkpoint(self.room, log)
                return done
        except Exception as error:
            reason = f"it is decided and on disk, readers will see it, but: {error}"
            raise TransactionInDoubt(transactional_id=name, reason=reason) from error

    def _end_empty(self, mine: Entry) -> Entry:
        with self.room.locked() as log:
            current = self._own(log, mine)
            done = current.prepared((), self.room.now_ms()).completed(self.room.now_ms())
            log.append(done)
            return done

    def abort(self, mine: Entry, parts: Sequence[Part]) -> Entry:
        """Nobody will see it. Raises ProducerFenced, TransactionTimedOut, TransactionAborted: another aborted it."""
        with self.room.locked() as log:
            partitions = [part[1] for part in parts if not part[1].gone]
            try:
                current = self._own(log, mine)
            except Exception:
                # What we wrote ends all the same: no reader need find out first.
                self._end_fenced(log, mine, partitions)
                raise
            self.room.mark(partitions, mine.producer_id, mine.producer_epoch, False)
            done = current.aborted(self.room.now_ms())
            log.append(done)
            return done

    def _end_fenced(self, log: StateLog, mine: Entry, partitions: list[Partition]) -> None:
        current = log.of_producer(mine.producer_id)
        if current is None or current.producer_id != mine.producer_id:
            self.room.mark(partitions, mine.producer_id, mine.producer_epoch, False)
            return
        for partition in partitions:
            for found in partition.open_transactions():
                if (found.producer_id, found.epoch) == (mine.producer_id, mine.producer_epoch):
                    self.room.mark([partition], mine.producer_id, current.producer_epoch, False)

    def settle(self, partitions: Iterable[Partition]) -> int:
        """For who waits at these partitions' last stable offsets: end what is dead or late. Returns how many ended."""
        if self.room.open().sequence & 1:
            with self.room.locked():
                pass  # a completion under way is over now, or its owner died and it is finished
        return settle(self.room, partitions)

    # ---- fencing

    def _own(self, log: StateLog, mine: Entry) -> Entry:
        """The newest record, when it is still this producer's."""
        current = log.get(mine.transactional_id)
        error = _fence(mine, current)
        if error is not None:
            raise error
        assert current is not None
        return current

    def why_fenced(self, mine: Entry) -> LogflumeError | None:
        """What to tell a producer whose send was refused; None when the id is still his."""
        with self.room.locked() as log:
            return _fence(mine, log.get(mine.transactional_id))

    # ---- life

    def close(self) -> None:
        """Let go of the directory's files. What goes wrong is logged: the next opener puts it right."""
        try:
            self.room.close()
        except Exception as error:
            _logger.warning(
                "closing transactions failed", path=self._directory.path, why=str(error)
            )

    def abandon(self) -> None:
        """In a forked child."""
        self.room.abandon()


def _fence(mine: Entry, current: Entry | None) -> LogflumeError | None:
    name = mine.transactional_id
    if current is None:
        return ProducerFenced(transactional_id=name, reason="its transactional.id was forgotten")
    if (current.producer_id, current.producer_epoch) == (mine.producer_id, mine.producer_epoch):
        return None
    aborted_by_other = (
        current.producer_id == mine.producer_id
        and current.producer_epoch == mine.producer_epoch + 1
        and current.state is State.COMPLETE_ABORT
    )
    if aborted_by_other and current.was_timed_out:
        return TransactionTimedOut(transactional_id=name, timeout_ms=mine.timeout_ms)
    if aborted_by_other:
        return TransactionAborted(transactional_id=name, reason="somebody else aborted it")
    return ProducerFenced(
        transactional_id=name, reason="another producer with this transactional.id came after it"
    )
