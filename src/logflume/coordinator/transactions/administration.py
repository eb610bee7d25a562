"""Looking at transactions, and ending them from outside: for `log.transactions` and the command line."""

from __future__ import annotations

from dataclasses import dataclass

from logflume.errors import InvalidTxnState, TransactionalIdNotFound
from logflume.types import TopicPartition

from .entry import State
from .external import SqliteRow
from .settling import decide, is_owned, settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from logflume._native.partition import Partition
    from logflume.types import OpenTransaction

    from .entry import Entry
    from .room import Room

__all__ = ["TransactionDescription", "Transactions"]


@dataclass(frozen=True, slots=True)
class TransactionDescription:
    """A transactional id.

    `state`: as Kafka's tools say it (`Ongoing`, `CompleteCommit`, ...); `alive`: its producer lives, or is a broker's
    client that may come back; times in ms since 1970, -1 for none; `open_partitions`: where its producer has undecided
    records, with the first one's offset; filled by `describe` only.
    """

    transactional_id: str
    producer_id: int
    producer_epoch: int
    state: str
    alive: bool
    timeout_ms: int
    started_ms: int
    updated_ms: int
    open_partitions: tuple[tuple[TopicPartition, int], ...] = ()
    partitions: tuple[TopicPartition, ...] = ()
    """What the open transaction writes to: those of a broker's client by its own word, else `open_partitions`."""
    decided_by: str = ""
    """The file of the SQLite database that decides the open transaction; empty for none."""

    @property
    def is_open(self) -> bool:
        """A transaction is open, or its end is decided and not complete."""
        return self.state in _OPEN


_OPEN = {state.word for state in (State.ONGOING, State.PREPARE_COMMIT, State.PREPARE_ABORT)}


class Transactions:
    """The transactions of a directory. Thread-safe."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def __repr__(self) -> str:
        return f"<Transactions of {self._room.directory.path}>"

    def list(self) -> list[TransactionDescription]:
        """All transactional ids, sorted. Raises LockTimeout."""
        if not self._room.is_used:
            return []
        with self._room.locked() as log:
            return [self._description(entry) for entry in log.entries()]

    def describe(self, transactional_id: str) -> TransactionDescription:
        """One of them, with the partitions in which it is open. Raises TransactionalIdNotFound, LockTimeout."""
        entry = self._entry(transactional_id)
        found = [
            (TopicPartition(partition.topic, partition.partition), open_.first_offset)
            for partition, open_ in self._open(entry)
            if open_.producer_id in (entry.producer_id, entry.previous_producer_id)
        ]
        return self._description(entry, tuple(found))

    def abort(self, transactional_id: str, *, force: bool = False) -> bool:
        """End its open transaction, whoever has it open; False when there was none.

        Its producer's commit is refused with TransactionAborted. Raises TransactionalIdNotFound, and InvalidTxnState
        when its commit is decided: that is finished instead. One that a SQLite database decides is asked about
        first: TransactionInDoubt when that does not answer; `force` aborts it all the same, and then what the
        database says, should it come back, may differ.
        """
        entry = self._entry(transactional_id)
        with self._room.locked() as log:
            entry = log.get(transactional_id) or entry
            if entry.state is State.PREPARE_COMMIT:
                self._room.finish(log, entry)
                raise InvalidTxnState(
                    transactional_id=transactional_id,
                    reason="its commit was decided already, and is finished now",
                )
            was_open = entry.state is State.ONGOING
            if entry.is_pledged and not force:
                if decide(self._room, log, entry).state is State.COMPLETE_COMMIT:
                    raise InvalidTxnState(
                        transactional_id=transactional_id,
                        reason="its database has committed it, and it is finished now",
                    )
            elif was_open:
                log.append(entry.fenced(self._room.now_ms()))
        return bool(settle(self._room, self._partitions())) or was_open

    def settle(self, partitions: Iterable[Partition] | None = None) -> int:
        """End transactions whose producer is dead or late, in all partitions or in these; returns how many parts.

        Consumers with isolation_level="read_committed" do it by themselves where they have to wait.
        """
        if not self._room.is_used:
            return 0
        return settle(self._room, self._partitions() if partitions is None else partitions)

    def _entry(self, transactional_id: str) -> Entry:
        if self._room.is_used:
            with self._room.locked() as log:
                entry = log.get(transactional_id)
                if entry is not None:
                    return entry
        raise TransactionalIdNotFound(transactional_id=transactional_id)

    def _description(
        self, entry: Entry, partitions: tuple[tuple[TopicPartition, int], ...] = ()
    ) -> TransactionDescription:
        return TransactionDescription(
            transactional_id=entry.transactional_id,
            producer_id=entry.producer_id,
            producer_epoch=entry.producer_epoch,
            state=entry.state.word,
            alive=entry.is_clients or is_owned(self._room, entry),
            timeout_ms=entry.timeout_ms,
            started_ms=entry.started_ms,
            updated_ms=entry.updated_ms,
            open_partitions=partitions,
            partitions=entry.partitions or tuple(place for place, _ in partitions),
            decided_by=SqliteRow.decode(entry.decided_by).path if entry.is_pledged else "",
        )

    def _partitions(self) -> Iterator[Partition]:
        directory = self._room.directory
        for topic in directory.topics(internal=True):
            yield from directory.partitions(topic)

    def _open(self, entry: Entry) -> Iterator[tuple[Partition, OpenTransaction]]:
        """Of a client's transaction it is known where it writes; of another's, all partitions are looked at."""
        known = entry.is_clients or entry.state.is_decided
        for partition in self._room.known(entry.partitions) if known else self._partitions():
            if partition.last_stable_offset < partition.end_offset:
                for found in partition.open_transactions():
                    yield partition, found
