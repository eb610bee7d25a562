"""Words of share groups: states of a record, answers, ranges of offsets. Numbers are Kafka's."""

from __future__ import annotations

from enum import IntEnum

from logflume.types import NamedTuple

__all__ = ["AcknowledgeType", "Acquired", "Answer", "RecordState", "StateBatch"]


class RecordState(IntEnum):
    """Where a record in flight stands. ACQUIRED is never durable: who holds a record ends with him."""

    AVAILABLE = 0
    ACQUIRED = 1
    ACKNOWLEDGED = 2
    ARCHIVED = 4


class AcknowledgeType(IntEnum):
    """What a member says of a record it acquired (KIP-932; RENEW: KIP-1222)."""

    GAP = 0
    """There is no record at this offset."""
    ACCEPT = 1
    RELEASE = 2
    """Deliver it again, if it was not delivered too often."""
    REJECT = 3
    """Never deliver it again."""
    RENEW = 4
    """Still at it: the lock begins anew."""


class Answer(NamedTuple):
    """What a member says of the offsets `first` to `last`, inclusive."""

    first: int
    last: int
    type: AcknowledgeType


class Acquired(NamedTuple):
    """Offsets `first` to `last`, inclusive, that a member holds now, and how often they were delivered."""

    first: int
    last: int
    delivery_count: int


class StateBatch(NamedTuple):
    """Offsets `first` to `last`, inclusive, in one durable state."""

    first: int
    last: int
    state: RecordState
    delivery_count: int
