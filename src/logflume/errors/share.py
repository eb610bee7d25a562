"""Errors of queues: answers to records that share groups deliver (KIP-932)."""

from __future__ import annotations

from logflume.errors.base import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AcknowledgeFailed", "InvalidRecordState", "UnansweredRecords"]


class InvalidRecordState(LogflumeError):
    """A record that is not (any longer) delivered to whoever answers it: its lock ran out, say."""

    code = 121
    template = "offset {offset} of {topic}-{partition} cannot be answered: {reason}"
    topic: str
    partition: int
    offset: int
    reason: str


class AcknowledgeFailed(LogflumeError):
    """Answers to a queue's records that did not count; those records are delivered again.

    `errors` has the reason by TopicPartition; answers for all other partitions are durable.
    """

    template = "answers of group {group!r} did not count: {errors}"
    group: str
    errors: Mapping[tuple[str, int], LogflumeError]


class UnansweredRecords(LogflumeError):
    """With explicit acknowledgement, the next poll came before all records of the last were answered."""

    template = "group {group!r}: {count} records are not answered yet"
    group: str
    count: int
