"""Committed offsets that a broker's client sends within its transaction: batches of its producer, as in Kafka."""

from __future__ import annotations

from itertools import islice

from logflume._native.batches import encode_batch

from .offset_store import BATCH_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from logflume._native.partition import Partition

__all__ = ["append_commits"]

_SEQUENCE_MASK = 0x7FFFFFFF


def append_commits(
    partition: Partition,
    keys: Sequence[bytes],
    values: Sequence[bytes | None],
    *,
    producer_id: int,
    epoch: int,
    now_ms: int,
    lock_timeout_s: float,
) -> None:
    """Append what `OffsetStore.encode` gave, so that it counts when the producer's transaction is committed.

    Nobody else writes in the producer's name meanwhile. `lock_timeout_s`: how long to wait for the partition's writer
    lock. Raises InvalidProducerEpoch, DiskFull, LockTimeout.
    """
    sequence = _next_sequence(partition, producer_id, epoch)
    for part in _cut(keys, values):
        batch = encode_batch(
            [(value, key, None, now_ms) for key, value in part],
            producer_id=producer_id,
            producer_epoch=epoch,
            base_sequence=sequence,
            transactional=True,
        )
        partition.append_batches(batch, lock_timeout_s=lock_timeout_s)
        sequence = (sequence + len(part)) & _SEQUENCE_MASK


def _next_sequence(partition: Partition, producer_id: int, epoch: int) -> int:
    state = partition.producer(producer_id)
    return (state.last_sequence + 1) & _SEQUENCE_MASK if state and state.epoch == epoch else 0


def _cut(
    keys: Sequence[bytes], values: Sequence[bytes | None]
) -> Iterator[list[tuple[bytes, bytes | None]]]:
    """Into batches of no more than BATCH_BYTES."""
    pairs = zip(keys, values)
    largest = max(len(key) + len(value or b"") for key, value in zip(keys, values)) + 64
    while part := list(islice(pairs, max(BATCH_BYTES // largest, 1))):
        yield part
