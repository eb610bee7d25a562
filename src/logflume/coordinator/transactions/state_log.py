"""`__transaction_state` as a replica in memory: the newest record of every transactional id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from logflume.coordinator.internal_partition import (
    READ_BYTES_MAX,
    Batch,
    InternalPartition,
    Record,
    catch_up,
)
from logflume.coordinator.offsets_schema import partition_for
from logflume.errors import InvalidRecord
from logflume.observe import get_logger
from logflume.types import TopicPartition

from .entry import Entry, State
from .external import DECIDED_BY_HEADER
from .state_schema import decode_key, decode_value, encode_key, encode_value

__all__ = ["StateLog", "Stored"]

BOOT_HEADER = "logflume.boot"
"""Which start of the machine a client's open transaction belongs to."""

_RECORD_BYTES = 256  # about, without headers

_logger = get_logger(__name__)


class Stored:
    """Where a record was appended: `sync()` returns when it is on disk."""

    def __init__(self, partition: InternalPartition, offset: int) -> None:
        self.partition = partition
        self.offset = offset

    def sync(self) -> None:
        """Raises SyncFailed: then nobody knows whether it will be there after a power loss."""
        self.partition.sync(self.offset + 1)


class StateLog:
    """Every method is called under the mutex that all writers of `__transaction_state` take.

    Then nothing is appended behind its back, once `refresh` has read what others appended before. Borrows the
    partitions, which their opener closes. `redo_from`: of each, up to where commits are on disk in their partitions.
    Methods raise what reading and appending raise.
    """

    def __init__(
        self, partitions: Sequence[InternalPartition], redo_from: Sequence[int] = ()
    ) -> None:
        self._partitions = list(partitions)
        self._redo_from = list(redo_from) or [0] * len(self._partitions)
        self._readers = [p.reader(p.start_offset) for p in self._partitions]
        self._entries: dict[str, Entry] = {}
        self._offsets: dict[str, int] = {}
        self._by_producer: dict[int, str] = {}
        self.appended_bytes = 0
        """By this process, about, until somebody who looked at the files sets it back."""
        self.named: set[TopicPartition] = set()
        """Partitions of the commits met, from `redo_from` on, until somebody clears it."""

    # ---- the replica

    def refresh(self) -> None:
        """Read what others appended."""
        for partition, reader in zip(self._partitions, self._readers):
            catch_up(partition, reader, partial(self._take_all, partition))

    def _take_all(self, partition: InternalPartition, batch: Batch, _: int) -> None:
        for record in batch.records():
            self._take(partition, record)

    def _take(self, partition: InternalPartition, record: Record) -> None:
        try:
            transactional_id = decode_key(record.key or b"")
            value = record.value
            entry = None if value is None else decode_value(transactional_id, value)
        except InvalidRecord as error:
            _logger.warning(
                "unreadable transaction state passed over", path=partition.path, why=str(error)
            )
            return
        if entry is None:
            self._entries.pop(transactional_id, None)
            self._offsets.pop(transactional_id, None)
        else:
            headers = dict(record.headers)
            decided_by = headers.get(DECIDED_BY_HEADER) or b""
            boot_id = (headers.get(BOOT_HEADER) or b"").decode("ascii", "replace")
            self._apply(replace(entry, decided_by=decided_by, boot_id=boot_id), record.offset)

    def _apply(self, entry: Entry, offset: int) -> None:
        name = entry.transactional_id
        self._entries[name] = entry
        self._offsets[name] = offset
        self._by_producer[entry.producer_id] = name
        if entry.previous_producer_id >= 0:
            self._by_producer[entry.previous_producer_id] = name
        if entry.state is State.PREPARE_COMMIT and offset >= self._redo_from[self._place(name)]:
            self.named.update(entry.partitions)

    def get(self, transactional_id: str) -> Entry | None:
        """The newest record of an id."""
        return self._entries.get(transactional_id)

    def of_producer(self, producer_id: int) -> Entry | None:
        """The newest record of the id that has, or had, this producer id."""
        name = self._by_producer.get(producer_id)
        return None if name is None else self._entries.get(name)

    def entries(self) -> list[Entry]:
        """All, sorted by transactional id."""
        return [self._entries[name] for name in sorted(self._entries)]

    # ---- appending

    def append(self, entry: Entry, headers: list[tuple[str, bytes]] | None = None) -> Stored:
        """The newest record of its id from now on. Published, and safe from kill -9; not yet on disk."""
        place = self._place(entry.transactional_id)
        partition, reader = self._partitions[place], self._readers[place]
        if entry.decided_by:
            headers = [*(headers or []), (DECIDED_BY_HEADER, entry.decided_by)]
        if entry.boot_id:
            headers = [*(headers or []), (BOOT_HEADER, entry.boot_id.encode())]
        offset = partition.append_many(
            [encode_value(entry)],
            [encode_key(entry.transactional_id)],
            headers=None if headers is None else [headers],
        )
        self.appended_bytes += _RECORD_BYTES + sum(len(value) for _, value in headers or ())
        if reader.position == offset:
            reader.seek(offset + 1)
            self._apply(entry, offset)
        return Stored(partition, offset)

    def stored(self, entry: Entry) -> Stored:
        """Where the newest record of the entry's id is."""
        name = entry.transactional_id
        return Stored(self._partitions[self._place(name)], self._offsets[name])

    def _place(self, transactional_id: str) -> int:
        return partition_for(transactional_id, len(self._partitions))

    # ---- for recovery and checkpoints

    @property
    def partitions(self) -> Sequence[InternalPartition]:
        """The topic's partitions, in order."""
        return self._partitions

    def headers_of(self, entry: Entry) -> dict[str, bytes | None]:
        """The headers of the newest record of the entry's id."""
        name = entry.transactional_id
        number, offset = self._place(name), self._offsets[name]
        for record in self._partitions[number].reader(offset).read(1, READ_BYTES_MAX).records():
            return dict(record.headers)
        raise InvalidRecord(reason=f"the record of {name} at offset {offset} is gone")

    def records(self, number: int, start: int) -> Iterator[tuple[Entry, dict[str, bytes | None]]]:
        """The records of a partition from an offset on, oldest first, with their headers."""
        partition = self._partitions[number]
        reader = partition.reader(max(start, partition.start_offset))
        while reader.position < partition.end_offset:
            batch = reader.read(1000, READ_BYTES_MAX)
            for record in batch.records():
                if record.key is None or record.value is None:
                    continue
                try:
                    entry = decode_value(decode_key(record.key), record.value)
                except InvalidRecord:
                    continue  # `refresh` tells of it
                yield entry, dict(record.headers)
            if not len(batch):
                break

    def undecided_from(self, number: int) -> int:
        """Of a partition: the first offset of a record whose markers may be missing; the end when there is none."""
        pending = [
            self._offsets[entry.transactional_id]
            for entry in self._entries.values()
            if (entry.state.is_decided or entry.is_pledged)
            and self._place(entry.transactional_id) == number
        ]
        return min(pending, default=self._partitions[number].end_offset)

    def rewrite(self, number: int, dropped: Iterable[str] = ()) -> int:
        """Append the newest record of each id of a partition anew, and take back those `dropped`.

        Returns the offset of the first: once it is synced, what lies before it says nothing new, except records
        whose markers may be missing, which are left alone.
        """
        partition = self._partitions[number]
        first = partition.end_offset
        gone = set(dropped)
        for entry in self.entries():
            if self._place(entry.transactional_id) != number:
                continue
            if entry.state.is_decided or entry.is_pledged:
                continue
            if entry.transactional_id in gone:
                partition.append_many([None], [encode_key(entry.transactional_id)])
            else:
                self.append(entry)
        self.refresh()
        return first
