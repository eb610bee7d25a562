"""What a client's transaction has in its partitions, read back from them: the broker keeps no batches."""

from __future__ import annotations

from logflume.errors import UnknownTopicOrPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume._native.partition import Partition
    from logflume.log.directory import LogDirectory

    from .coordinator import Part
    from .entry import Entry

__all__ = ["parts_of"]


def parts_of(directory: LogDirectory, entry: Entry) -> list[Part]:
    """Its partitions with batches, each with those that are not on disk, as long as a commit may carry them.

    Partitions of which it may not are synced when this returns. Raises SyncFailed, StorageError.
    """
    room = directory.config.transaction_redo_max_bytes
    parts: list[Part] = []
    too_large: list[Partition] = []
    for place in entry.partitions:
        try:
            partition = directory.partition(*place)
        except UnknownTopicOrPartition:
            continue  # deleted meanwhile, as Kafka passes over it
        state = partition.producer(entry.producer_id)
        if state is None or state.txn_first_offset < 0:
            continue
        first = state.txn_first_offset
        end = state.last_offset + 1 if state.last_offset >= 0 else partition.end_offset
        batches = _lost_with_the_power(partition, entry.producer_id, first, end, room)
        if batches is None:
            too_large.append(partition)
        else:
            room -= sum(len(data) for _, data in batches)
        parts.append((place.topic, partition, first, end, batches))
    directory.sync(too_large)
    return parts


def _lost_with_the_power(
    partition: Partition, producer_id: int, first: int, end: int, room: int
) -> list[tuple[int, bytes]] | None:
    """Its batches that are not on disk; None when they are more than `room` bytes."""
    found: list[tuple[int, bytes]] = []
    start = max(first, partition.durable_offset)
    if start >= end:
        return found
    for batch in partition.batches(start, check_crcs=False):
        if batch.base_offset >= end:
            break
        if batch.producer_id == producer_id and not batch.control:
            room -= batch.size
            if room < 0:
                return None
            found.append((batch.base_offset, bytes(batch)))
    return found
