"""Transactions of a broker's clients: Kafka's requests about them, decided in the same room as embedded ones."""

from __future__ import annotations

from dataclasses import dataclass

from logflume.errors import LogflumeError, ProducerFenced, TransactionAborted, TransactionTimedOut
from logflume.log.boot import boot_id
from logflume.types import NamedTuple

from .client_end import Step, step_of_end
from .client_errors import TransactionError, TransactionRefused
from .client_parts import parts_of
from .entry import EPOCH_MAX, Entry, State
from .settling import decide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from logflume._native.partition import Partition
    from logflume.log.directory import LogDirectory
    from logflume.types import TopicPartition

    from .coordinator import TransactionCoordinator
    from .state_log import StateLog, Stored

__all__ = ["ClientTransactions", "Ending", "TransactionalClient"]


class TransactionalClient(NamedTuple):
    """Who asks: as it stands in each of its requests."""

    transactional_id: str
    producer_id: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Ending:
    """An EndTxn under way: what its client goes on with, and what is still to be done.

    `stored`: a record that has to be synced before the client is answered: a commit's decision, or a raised epoch,
    which no partition may see before it is safe. `partitions`: for a commit, which `complete` then shows in them.
    """

    entry: Entry
    stored: Stored | None = None
    partitions: tuple[Partition, ...] | None = None


class ClientTransactions:
    """Of one broker. Thread-safe; the caller sees to it that one transactional id has one call at a time.

    A client holds no lock that tells of its death: its open transaction has its partitions in the state log, and is
    left alone until its time is over, whatever dies meanwhile. While a transaction is open here, the broker holds the
    producer's byte (`Presence`): a batch of it may be on its way to a partition, so that another process which takes
    the transactional id over needs another producer id. Methods raise TransactionRefused, LockTimeout, StorageError.
    """

    def __init__(self, coordinator: TransactionCoordinator, directory: LogDirectory) -> None:
        self._coordinator = coordinator
        self._directory = directory
        self._room = coordinator.room
        self._held: dict[str, TransactionalClient] = {}
        self._last: dict[
            str, tuple[int, int]
        ] = {}  # the epoch a client had, and the one it got for that

    # ---- InitProducerId

    def init(self, transactional_id: str, timeout_ms: int, known: tuple[int, int] | None) -> Entry:
        """Its producer from now on. `known`: the id and epoch of one that goes on after a failure (KIP-360).

        Raises InvalidTransactionTimeout, too.
        """
        if not transactional_id or len(transactional_id.encode("utf-8", "replace")) >= 1 << 15:
            raise TransactionRefused(TransactionError.INVALID_REQUEST)

        def look(entry: Entry | None) -> Entry | None:
            again = None if entry is None or known is None else self._known(entry, *known)
            if again is None:
                self._let_go(
                    transactional_id
                )  # its batches come through this broker, which takes them no more
            return again

        entry = self._coordinator.init(transactional_id, timeout_ms, client=look)
        if known is not None:
            self._last.setdefault(transactional_id, (known[1], entry.producer_epoch))
        else:
            self._last.pop(transactional_id, None)
        return entry

    def _known(self, entry: Entry, producer_id: int, epoch: int) -> Entry | None:
        """Whether it may go on: an entry when that was answered before, and the answer got lost."""
        if entry.producer_id == producer_id and entry.producer_epoch == epoch:
            self._last.pop(entry.transactional_id, None)
            return None
        moved_on = entry.previous_producer_id == producer_id and epoch >= EPOCH_MAX - 1
        answered = self._last.get(entry.transactional_id) == (epoch, entry.producer_epoch)
        same = entry.producer_id == producer_id
        if entry.state is State.EMPTY and answered and (same or moved_on):
            return entry
        raise TransactionRefused(TransactionError.PRODUCER_FENCED)

    # ---- AddPartitionsToTxn

    def join(self, who: TransactionalClient, places: Iterable[TopicPartition]) -> Entry:
        """These partitions are part of its transaction, which begins with the first. Safe from kill -9."""
        with self._room.locked() as log:
            entry = self._own(log, who)
            if entry.state.is_decided:
                entry = self._room.finish(log, entry)
                entry = self._own(log, who)
            if entry.state is State.ONGOING and not entry.is_clients:
                raise TransactionRefused(TransactionError.CONCURRENT_TRANSACTIONS)
            open_in = set(entry.partitions if entry.state is State.ONGOING else ())
            new = set(places) - open_in
            if new or not open_in:
                self._clear(who, new)
                entry = entry.joined(tuple(new), self._room.now_ms(), boot_id())
                log.append(entry)
            self._hold(who)
            return entry

    def check(self, who: TransactionalClient, places: Iterable[TopicPartition]) -> Entry:
        """Its open transaction, of which these partitions are part already."""
        with self._room.locked() as log:
            entry = self._own(log, who)
            if entry.state.is_decided:
                raise TransactionRefused(TransactionError.CONCURRENT_TRANSACTIONS)
            if not entry.is_clients or not entry.partitions or set(places) - set(entry.partitions):
                raise TransactionRefused(TransactionError.TRANSACTION_ABORTABLE)
            self._hold(who)
            return entry

    def _own(self, log: StateLog, who: TransactionalClient) -> Entry:
        entry = _entry(log, who)
        if entry is None or who.producer_id not in (entry.producer_id, entry.previous_producer_id):
            raise TransactionRefused(TransactionError.INVALID_PRODUCER_ID_MAPPING)
        if (entry.producer_id, entry.producer_epoch) != (who.producer_id, who.epoch):
            raise TransactionRefused(TransactionError.PRODUCER_FENCED)
        return entry

    def _clear(self, who: TransactionalClient, places: Iterable[TopicPartition]) -> None:
        """End what earlier epochs left open there: their records must not end with these."""
        for partition in self._room.known(places):
            for found in partition.open_transactions():
                if found.producer_id == who.producer_id and found.epoch < who.epoch:
                    self._room.mark([partition], who.producer_id, who.epoch, commit=False)

    # ---- EndTxn

    def end(self, who: TransactionalClient, *, commit: bool, raises: bool) -> Ending:
        """End its transaction, up to what has to be synced (see Ending).

        `raises`: it is told the epoch to go on with (transactions of version 2, KIP-890).
        """
        next_id = -1
        if raises and who.epoch >= EPOCH_MAX - 1:
            next_id = self._directory.producer_ids.claim()  # not with the mutex held
        with self._room.locked() as log:
            entry = _entry(log, who)
            step = step_of_end(entry, who.producer_id, who.epoch, commit=commit, raises=raises)
            assert entry is not None
            if step is Step.NOTHING:
                return Ending(entry, log.stored(entry))
            if step is Step.FINISH:
                return Ending(self._room.finish(log, entry))
            if step is Step.RAISE:
                done = entry.raised(next_id).aborted_empty(self._room.now_ms())
                return Ending(done, log.append(done))
            if not entry.is_clients:
                raise TransactionRefused(TransactionError.CONCURRENT_TRANSACTIONS)
            if not commit:
                return self._abort(log, entry, raises=raises, next_id=next_id)
        return self._commit(entry, raises=raises, next_id=next_id)

    def _abort(self, log: StateLog, entry: Entry, *, raises: bool, next_id: int) -> Ending:
        ended = entry.raised(next_id) if raises else entry
        partitions = self._room.known(entry.partitions)
        self._room.mark(partitions, ended.producer_id, ended.producer_epoch, commit=False)
        done = ended.aborted(self._room.now_ms())
        stored = log.append(done)
        self._let_go(entry.transactional_id)
        return Ending(done, stored if raises else None)

    def _commit(self, entry: Entry, *, raises: bool, next_id: int) -> Ending:
        parts = parts_of(self._directory, entry)
        try:
            prepared, stored = self._coordinator.prepare(
                entry, parts, (lambda decided: decided.raised(next_id)) if raises else None
            )
        except TransactionTimedOut:
            self.expire()
            raise TransactionRefused(TransactionError.PRODUCER_FENCED) from None
        except (ProducerFenced, TransactionAborted):
            raise TransactionRefused(TransactionError.PRODUCER_FENCED) from None
        return Ending(prepared, stored, tuple(part[1] for part in parts))

    def complete(self, ending: Ending) -> Entry:
        """A commit's decision is on disk: show it to readers. Raises TransactionInDoubt: it stays decided."""
        done = self._coordinator.complete(ending.entry, list(ending.partitions or ()))
        self._let_go(done.transactional_id)
        return done

    # ---- time

    def expire(self) -> list[TransactionalClient]:
        """Abort the transactions of clients whose time is over, whichever broker they came through.

        Returns those of this broker that are over by now, by whomever they were ended.
        """
        if not self._room.is_used:
            return []
        with self._room.locked() as log:
            now = self._room.now_ms()
            for entry in log.entries():
                if entry.is_clients and entry.is_timed_out(now):
                    decide(self._room, log, entry)
            over = [held for held in self._held.values() if not _is_open(log, held)]
            for held in over:
                self._let_go(held.transactional_id)
            return over

    # ---- from outside

    def mark(
        self,
        partition: Partition,
        producer_id: int,
        epoch: int,
        coordinator_epoch: int,
        *,
        commit: bool,
    ) -> None:
        """Write a marker where this producer has a transaction open, whatever the state log says (WriteTxnMarkers).

        Raises InvalidProducerEpoch, TransactionCoordinatorFenced.
        """
        with self._room.locked():
            self._room.mark([partition], producer_id, epoch, commit, coordinator_epoch)

    # ---- life

    def _hold(self, who: TransactionalClient) -> None:
        held = self._held.get(who.transactional_id)
        if held != who:
            self._let_go(who.transactional_id)
            self._room.presence.hold(who.producer_id, who.epoch)
            self._held[who.transactional_id] = who

    def _let_go(self, transactional_id: str) -> None:
        held = self._held.pop(transactional_id, None)
        if held is not None:
            self._room.presence.release(held.producer_id, held.epoch)

    def close(self) -> None:
        """The broker stops; what is open stays open for the next one."""
        if not self._held:
            return
        try:
            with self._room.locked():
                for transactional_id in list(self._held):
                    self._let_go(transactional_id)
        except LogflumeError:
            self._held.clear()  # the kernel frees them with the directory


def _entry(log: StateLog, who: TransactionalClient) -> Entry | None:
    """The newest record of its name. Raises TransactionRefused where another has the name, with another producer id."""
    if not who.transactional_id:
        raise TransactionRefused(TransactionError.INVALID_REQUEST)
    entry = log.get(who.transactional_id)
    if entry is None or who.producer_id in (entry.producer_id, entry.previous_producer_id):
        return entry
    had_it = log.of_producer(who.producer_id)
    if had_it is not None and had_it.transactional_id == who.transactional_id:
        raise TransactionRefused(TransactionError.PRODUCER_FENCED)
    return entry


def _is_open(log: StateLog, who: TransactionalClient) -> bool:
    entry = log.get(who.transactional_id)
    if entry is None or not entry.ends(who.producer_id, who.epoch):
        return False
    return entry.is_clients or entry.state.is_decided
