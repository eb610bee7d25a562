"""Errors of Kafka clusters, and of what is not installed."""

from __future__ import annotations

from logflume.errors.base import LogflumeError

__all__ = [
    "ArchiveTaken",
    "AuthenticationFailed",
    "ClusterError",
    "ClusterUnreachable",
    "CopyDiffers",
    "MissingExtra",
    "NotAuthorized",
    "ObjectMissing",
    "OffsetGap",
    "RetriableClusterError",
    "StoreUnavailable",
]


class ClusterError(LogflumeError):
    """What a Kafka cluster or librdkafka (negative codes) says and no other class names.

    `code` and `retriable` are those of this error, not of the class.
    """

    template = "the cluster says: {reason} (code {kafka_code})"
    reason: str
    kafka_code: int


class RetriableClusterError(ClusterError):
    """A ClusterError after which the same call may succeed."""

    retriable = True


class ClusterUnreachable(LogflumeError):
    """No broker of the cluster can be reached."""

    retriable = True
    template = "the cluster cannot be reached: {reason}"
    reason: str


class AuthenticationFailed(LogflumeError):
    """The cluster does not take the user, password or certificate; or TLS failed."""

    code = 58
    template = "authentication failed: {reason}"
    reason: str


class NotAuthorized(LogflumeError):
    """The user may not do this."""

    code = 29
    template = "not authorized: {reason}"
    reason: str


class CopyDiffers(LogflumeError):
    """A copy of a partition is not, or not any more, what it should be a copy of."""

    template = "the copy of {topic}-{partition} differs at offset {offset}: {reason}"
    topic: str
    partition: int
    offset: int
    reason: str


class OffsetGap(LogflumeError):
    """A cluster would give the records behind a gap other offsets than they have."""

    template = (
        "{topic}-{partition} cannot keep its offsets from {offset} on: records are missing before it, and"
        " a cluster leaves no gaps; copy into a stopped Kafka's log directory, which keeps them, or let it give new"
        " offsets (new_offsets)"
    )
    topic: str
    partition: int
    offset: int


class StoreUnavailable(LogflumeError):
    """An object store cannot be reached, or failed for long enough."""

    retriable = True
    template = "{address}: {reason}"
    address: str
    reason: str


class ObjectMissing(LogflumeError):
    """An object store has no such object."""

    template = "{key}: there is no such object"
    key: str


class ArchiveTaken(LogflumeError):
    """Another process writes to this archive now; this one's last commit does not count."""

    template = "{address}: another process writes to this archive"
    address: str


class MissingExtra(LogflumeError, ImportError):
    """Something is needed that `pip install logflume[{extra}]` brings."""

    template = "{what} needs pip install 'logflume[[{extra}]]'[: {reason}]"
    what: str
    extra: str
    reason: str | None = None
