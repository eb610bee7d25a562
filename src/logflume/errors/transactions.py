"""Errors of idempotent producers and of transactions."""

from __future__ import annotations

from logflume.errors.base import LogflumeError

__all__ = [
    "InvalidProducerEpoch",
    "InvalidTransactionTimeout",
    "InvalidTxnState",
    "OutOfOrderSequence",
    "ProducerFenced",
    "TransactionAborted",
    "TransactionCoordinatorFenced",
    "TransactionInDoubt",
    "TransactionTimedOut",
    "TransactionalIdNotFound",
]


class OutOfOrderSequence(LogflumeError):
    """A batch does not follow its producer's last one in this partition: what lies between is missing."""

    code = 45
    template = "{topic}-{partition}: out of order sequence of producer {producer_id}: {reason}"
    producer_id: int
    topic: str
    partition: int
    reason: str


class InvalidProducerEpoch(LogflumeError):
    """A batch of an older epoch than its producer id has by now: another producer took the id over."""

    code = 47
    template = "{topic}-{partition}: invalid epoch of producer {producer_id}: {reason}"
    producer_id: int
    topic: str
    partition: int
    reason: str


class InvalidTxnState(LogflumeError):
    """What was asked for does not fit the state of the producer's transaction."""

    code = 48
    template = "[transactional.id {transactional_id!r}: ]{reason}"
    transactional_id: str | None
    reason: str


class TransactionCoordinatorFenced(LogflumeError):
    """A transaction's marker of a coordinator that a newer one has replaced."""

    code = 52
    template = "{topic}-{partition}: coordinator epoch too old: {reason}"
    topic: str
    partition: int
    reason: str


class InvalidTransactionTimeout(LogflumeError, ValueError):
    """transaction.timeout.ms is 0 or less, or more than the directory's transaction.max.timeout.ms."""

    code = 50
    template = "transaction.timeout.ms={timeout_ms} is not between 1 and transaction.max.timeout.ms ({limit_ms})"
    timeout_ms: int
    limit_ms: int


class ProducerFenced(LogflumeError):
    """A newer producer has this transactional.id; this one can write and commit nothing more."""

    code = 90
    template = "the producer with transactional.id {transactional_id!r} is fenced: {reason}"
    transactional_id: str
    reason: str


class TransactionTimedOut(LogflumeError):
    """The transaction was open for longer than transaction.timeout.ms, and was aborted.

    Kafka says INVALID_PRODUCER_EPOCH. The producer may begin another transaction.
    """

    code = 47
    template = (
        "the transaction of transactional.id {transactional_id!r} was aborted: it was open for longer"
        " than transaction.timeout.ms ({timeout_ms})"
    )
    transactional_id: str
    timeout_ms: int


class TransactionAborted(LogflumeError):
    """The transaction was aborted, and with it this record or commit."""

    template = "the transaction of transactional.id {transactional_id!r} was aborted[: {reason}]"
    transactional_id: str
    reason: str | None = None


class TransactionInDoubt(LogflumeError):
    """Whether the transaction is committed shows when the directory is opened anew.

    The decision was written, and the disk did not confirm it.
    """

    template = "the transaction of transactional.id {transactional_id!r} is in doubt: {reason}"
    transactional_id: str
    reason: str


class TransactionalIdNotFound(LogflumeError):
    """No producer with this transactional.id is known in the directory."""

    code = 105
    template = "unknown transactional.id {transactional_id!r}"
    transactional_id: str
