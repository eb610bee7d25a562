"""The response to a ShareFetch, with the records as views of the segments' maps."""

from __future__ import annotations

from logflume.coordinator.record_fields import FieldWriter
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NamedTuple

    from typing_extensions import Buffer

    from logflume.coordinator.share import Acquired

__all__ = ["SharedPart", "share_fetch_response"]


class SharedPart(NamedTuple):
    """What is told of a partition: Kafka's codes for reading and for what was said of records; what was acquired."""

    error: int = 0
    acknowledge_error: int = 0
    batches: Sequence[memoryview] = ()
    acquired: Sequence[Acquired] = ()

    @property
    def size(self) -> int:
        """Bytes of records."""
        return sum(map(len, self.batches))


def share_fetch_response(
    correlation_id: int,
    parts: Mapping[tuple[bytes, int], SharedPart],
    *,
    error: int = 0,
    throttle_ms: int = 0,
    lock_ms: int = 0,
    batch_size: int = 0,
) -> list[Buffer]:
    """Versions 1 and 2, which are alike: size, head and body in pieces. `lock_ms`: how long records are locked.

    `batch_size`: most records of one stretch that is told as acquired; 0 for no limit.
    """
    pieces: list[Buffer] = []
    out = FieldWriter(flexible=True)
    out.int32(correlation_id)
    out.tags()
    out.int32(throttle_ms)
    out.int16(error)
    out.string(None)
    out.int32(lock_ms)
    topics: dict[bytes, list[tuple[int, SharedPart]]] = {}
    for (topic_id, index), part in parts.items():
        topics.setdefault(topic_id, []).append((index, part))
    out.uvarint(len(topics) + 1)
    for topic_id, named in topics.items():
        out.raw(topic_id)
        out.uvarint(len(named) + 1)
        for index, part in named:
            _put_head(out, index, part)
            if part.batches:
                pieces += [out.done(), *part.batches]
                out = FieldWriter(flexible=True)
            out.array(_cut(part.acquired, batch_size), _put_acquired)
            out.tags()
        out.tags()
    out.uvarint(1)  # no other brokers
    out.tags()
    pieces.append(out.done())
    return [sum(map(len, pieces)).to_bytes(4, "big"), *pieces]  # type: ignore[arg-type]


def _put_head(out: FieldWriter, index: int, part: SharedPart) -> None:
    out.int32(index)
    out.int16(part.error)
    out.string(None)
    out.int16(part.acknowledge_error)
    out.string(None)
    out.int32(0)  # the leader is who answers
    out.int32(0)
    out.tags()
    out.uvarint(part.size + 1)


def _put_acquired(out: FieldWriter, one: Acquired) -> None:
    out.int64(one.first)
    out.int64(one.last)
    out.int16(one.delivery_count)
    out.tags()


def _cut(acquired: Sequence[Acquired], size: int) -> list[Acquired]:
    """Stretches of no more than `size` offsets: clients settle stretch by stretch."""
    if size <= 0:
        return list(acquired)
    return [
        one._replace(first=first, last=min(first + size - 1, one.last))
        for one in acquired
        for first in range(one.first, one.last + 1, size)
    ]
