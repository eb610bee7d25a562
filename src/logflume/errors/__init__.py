"""Every error logflume raises on purpose: one tree, fields kept as attributes.

Kafka's error code stands in brackets where Kafka has one; all others have -1.

::

    LogflumeError
    ├── StorageError(path, reason=None)
    │   ├── CorruptRecord(path, position, reason, offset=None)          [2]
    │   ├── UnsupportedFormat(path, reason, position=None)              [43]
    │   ├── DiskFull(path, reason=None)                                 [56]
    │   ├── ReadOnlyDirectory(path, reason=None)                        [56]
    │   ├── SyncFailed(path, reason=None)                               [56]
    │   ├── NetworkFilesystem(path, kind)
    │   ├── DirectoryLocked(path, reason)                               retriable
    │   └── RecoveryFailed(path, reason)
    ├── TopicExists(topic)                                              [36]
    ├── UnknownTopicOrPartition(topic, partition=None)                  [3]
    │   └── PartitionNotAssigned(topic, partition, assigned)            [3]
    ├── InvalidTopicName(topic, reason)                                 [17]
    ├── InvalidPartitions(topic, partitions, reason)                    [37]
    ├── OffsetOutOfRange(topic, partition, offset, start_offset, end_offset)   [1]
    ├── NoOffsetForPartition(topic, partition, group=None)
    ├── RecordTooLarge(size=None, limit=None, property="max.message.bytes")   [10]
    ├── InvalidTimestamp(timestamp, reason)                             [32]
    ├── InvalidRecord(reason)                                           [87]
    ├── UnsupportedCompression(codec, reason=None)                      [76]
    ├── DecompressionTooLarge(limit, size=None, path=None)
    ├── InvalidConfig(name, value, reason, suggestion=None, where=None) [40], also ValueError
    │   └── UnknownConfig(name, table=None, hint=None, suggestion=None, where=None)
    ├── ConcurrentAccess(what)
    ├── Closed(what)
    ├── Timeout(what, seconds)                                          [7] retriable, also TimeoutError
    │   └── LockTimeout(what, seconds)
    ├── CommitFailed(group, reason)                                     [22]
    ├── UnknownMember(group, member)                                    [25]
    ├── FencedInstance(group, instance)                                 [82]
    ├── GroupNotEmpty(group)                                            [68]
    ├── GroupNotFound(group)                                            [69]
    ├── InvalidGroup(group, reason)                                     [24]
    ├── InvalidRecordState(topic, partition, offset, reason)            [121]
    ├── AcknowledgeFailed(group, errors)
    ├── UnansweredRecords(group, count)
    ├── OutOfOrderSequence(producer_id, topic, partition, reason)       [45]
    ├── InvalidProducerEpoch(producer_id, topic, partition, reason)     [47]
    ├── InvalidTxnState(transactional_id, reason)                       [48]
    ├── TransactionCoordinatorFenced(topic, partition, reason)          [52]
    ├── InvalidTransactionTimeout(timeout_ms, limit_ms)                 [50], also ValueError
    ├── ProducerFenced(transactional_id, reason)                        [90]
    ├── TransactionTimedOut(transactional_id, timeout_ms)               [47]
    ├── TransactionAborted(transactional_id, reason)
    ├── TransactionInDoubt(transactional_id, reason)
    ├── TransactionalIdNotFound(transactional_id)                       [105]
    ├── ClusterError(reason, kafka_code)                                [what the cluster sent]
    │   └── RetriableClusterError(reason, kafka_code)                   retriable
    ├── ClusterUnreachable(reason)                                      retriable
    ├── AuthenticationFailed(reason)                                    [58]
    ├── NotAuthorized(reason)                                           [29]
    ├── CopyDiffers(topic, partition, offset, reason)
    ├── OffsetGap(topic, partition, offset)
    ├── StoreUnavailable(address, reason)                               retriable
    ├── ObjectMissing(key)
    ├── ArchiveTaken(address)
    ├── MissingExtra(what, extra, reason=None)                          also ImportError
    ├── ChannelFull(channel, capacity, property="capacity")             retriable
    ├── BadMessage(peer, reason)
    ├── DeliveryFailed(peer, reason)                                    retriable
    └── UnsupportedByEngine(what, instead=None)

Fields are keyword-only. The message is composed from them when it is asked for,
so raising is cheap and no message can disagree with its fields.
"""

from __future__ import annotations

from logflume.errors.base import LogflumeError, code_of
from logflume.errors.clusters import (
    ArchiveTaken,
    AuthenticationFailed,
    ClusterError,
    ClusterUnreachable,
    CopyDiffers,
    MissingExtra,
    NotAuthorized,
    ObjectMissing,
    OffsetGap,
    RetriableClusterError,
    StoreUnavailable,
)
from logflume.errors.groups import (
    CommitFailed,
    FencedInstance,
    GroupNotEmpty,
    GroupNotFound,
    InvalidGroup,
    UnknownMember,
)
from logflume.errors.peers import BadMessage, DeliveryFailed
from logflume.errors.share import AcknowledgeFailed, InvalidRecordState, UnansweredRecords
from logflume.errors.storage import (
    CorruptRecord,
    DirectoryLocked,
    DiskFull,
    NetworkFilesystem,
    ReadOnlyDirectory,
    RecoveryFailed,
    StorageError,
    SyncFailed,
    UnsupportedFormat,
)
from logflume.errors.transactions import (
    InvalidProducerEpoch,
    InvalidTransactionTimeout,
    InvalidTxnState,
    OutOfOrderSequence,
    ProducerFenced,
    TransactionAborted,
    TransactionalIdNotFound,
    TransactionCoordinatorFenced,
    TransactionInDoubt,
    TransactionTimedOut,
)

__all__ = [
    "AcknowledgeFailed",
    "ArchiveTaken",
    "AuthenticationFailed",
    "BadMessage",
    "ChannelFull",
    "Closed",
    "ClusterError",
    "ClusterUnreachable",
    "CommitFailed",
    "ConcurrentAccess",
    "CopyDiffers",
    "CorruptRecord",
    "DeliveryFailed",
    "DecompressionTooLarge",
    "DirectoryLocked",
    "DiskFull",
    "FencedInstance",
    "GroupNotEmpty",
    "GroupNotFound",
    "InvalidConfig",
    "InvalidGroup",
    "InvalidPartitions",
    "InvalidProducerEpoch",
    "InvalidRecord",
    "InvalidRecordState",
    "InvalidTimestamp",
    "InvalidTopicName",
    "InvalidTransactionTimeout",
    "InvalidTxnState",
    "LockTimeout",
    "LogflumeError",
    "MissingExtra",
    "NetworkFilesystem",
    "NoOffsetForPartition",
    "NotAuthorized",
    "ObjectMissing",
    "OffsetGap",
    "OffsetOutOfRange",
    "OutOfOrderSequence",
    "PartitionNotAssigned",
    "ProducerFenced",
    "ReadOnlyDirectory",
    "RecordTooLarge",
    "RecoveryFailed",
    "RetriableClusterError",
    "StorageError",
    "StoreUnavailable",
    "SyncFailed",
    "Timeout",
    "TopicExists",
    "TransactionAborted",
    "TransactionCoordinatorFenced",
    "TransactionInDoubt",
    "TransactionTimedOut",
    "TransactionalIdNotFound",
    "UnansweredRecords",
    "UnknownConfig",
    "UnknownMember",
    "UnknownTopicOrPartition",
    "UnsupportedByEngine",
    "UnsupportedCompression",
    "UnsupportedFormat",
    "code_of",
]


# Topics and partitions


class TopicExists(LogflumeError):
    """A topic of this name is there already."""

    code = 36
    template = "topic {topic!r} already exists"
    topic: str


class UnknownTopicOrPartition(LogflumeError):
    """No such topic, or (when `partition` is given) no such partition of it."""

    code = 3
    template = "unknown topic {topic!r}[, partition {partition}]"
    topic: str
    partition: int | None = None

    def __str__(self) -> str:
        return (
            super().__str__()
            if self.partition is None
            else f"no partition {self.partition} in topic {self.topic!r}"
        )


class PartitionNotAssigned(UnknownTopicOrPartition):
    """A consumer was asked about a partition that it does not read (any more)."""

    template = "{topic}[-{partition}] is not assigned to this consumer, which reads {assigned}"
    assigned: str

    def __str__(self) -> str:
        return LogflumeError.__str__(self)


class InvalidTopicName(LogflumeError):
    """Kafka would refuse this name, or it collides with an existing one."""

    code = 17
    template = "invalid topic name {topic!r}: {reason}"
    topic: str
    reason: str


class InvalidPartitions(LogflumeError):
    """A number of partitions that the topic cannot have."""

    code = 37
    template = "topic {topic!r} cannot have {partitions} partitions: {reason}"
    topic: str
    partitions: int
    reason: str


class OffsetOutOfRange(LogflumeError):
    """The offset is outside start_offset (inclusive) to end_offset (exclusive)."""

    code = 1
    template = (
        "offset {offset} of {topic}-{partition} is out of range:"
        " it holds {start_offset} up to, not including, {end_offset}"
    )
    topic: str
    partition: int
    offset: int
    start_offset: int
    end_offset: int


class NoOffsetForPartition(LogflumeError):
    """No committed offset, and auto.offset.reset is `none`."""

    template = (
        "no committed offset for {topic}-{partition}[ in group {group!r}],"
        " and auto.offset.reset is 'none'"
    )
    topic: str
    partition: int
    group: str | None = None


# Records


class RecordTooLarge(LogflumeError):
    """A record or batch of `size` bytes is over `limit`, set by the option `property`.

    A cluster that refuses one tells neither.
    """

    code = 10
    template = "[{size} bytes are ]more than {property} allows[ ({limit})]"
    size: int | None = None
    limit: int | None = None
    property: str = "max.message.bytes"


class InvalidTimestamp(LogflumeError):
    """A timestamp (ms since 1970) that the topic does not accept."""

    code = 32
    template = "invalid timestamp {timestamp}: {reason}"
    timestamp: int
    reason: str


class InvalidRecord(LogflumeError):
    """A record or batch that cannot be appended as it is."""

    code = 87
    template = "invalid record: {reason}"
    reason: str


class UnsupportedCompression(LogflumeError):
    """A compression codec this build or this topic does not know."""

    code = 76
    template = "unsupported compression {codec!r}[: {reason}]"
    codec: str | int
    reason: str | None = None


class DecompressionTooLarge(LogflumeError):
    """A batch would unpack to more than `limit` bytes; to `size`, where that can be told."""

    template = "[{path}: ]batch unpacks to more than the cap of {limit} bytes[ ({size} or more)]"
    limit: int
    size: int | None = None
    path: str | None = None


# Configuration


class InvalidConfig(LogflumeError, ValueError):
    """An option has a value it cannot have."""

    code = 40
    template = "{name}={value!r}: {reason}[; did you mean {suggestion!r}?][ (in {where})]"
    name: str
    value: object
    reason: str
    suggestion: str | None = None
    where: str | None = None
    """The file or the environment's variable that it stands in, when it is neither an argument nor a flag."""


class UnknownConfig(InvalidConfig):
    """No option of this name; `suggestion` is the nearest one there is."""

    template = (
        "unknown[ {table}] option {name!r}[: {hint}][; did you mean {suggestion!r}?][ (in {where})]"
    )
    value: object = None
    reason: str = "unknown option"
    table: str | None = None
    hint: str | None = None


# Use of objects


class ConcurrentAccess(LogflumeError):
    """Two threads used an object that belongs to one at a time."""

    template = "{what} is in use by another thread"
    what: str


class Closed(LogflumeError):
    """The object was closed."""

    template = "{what} is closed"
    what: str


class Timeout(LogflumeError, TimeoutError):
    """`what` did not come about within `seconds`."""

    code = 7
    retriable = True
    template = "{what}: not within {seconds} s"
    what: str
    seconds: float


class LockTimeout(Timeout):
    """A lock that another process holds did not become free."""

    template = "{what}: lock not free within {seconds} s"


class UnsupportedByEngine(LogflumeError):
    """The engine behind this log (directory or cluster) cannot do `what`."""

    template = "{what} is not supported by this engine[; use {instead}]"
    what: str
    instead: str | None = None


# The agent


class ChannelFull(LogflumeError):
    """An agent's channel has no room for a batch; `property` is what bounds it."""

    retriable = True
    template = "channel {channel!r} has no room: its {property} is {capacity}"
    channel: str
    capacity: int
    property: str = "capacity"
