"""What a broker's client is answered whose transaction is not served: Kafka's codes, one exception."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["TransactionError", "TransactionRefused"]


class TransactionError(IntEnum):
    """Kafka's error codes about transactions."""

    NONE = 0
    COORDINATOR_NOT_AVAILABLE = 15
    INVALID_REQUEST = 42
    INVALID_PRODUCER_EPOCH = 47
    INVALID_TXN_STATE = 48
    INVALID_PRODUCER_ID_MAPPING = 49
    INVALID_TRANSACTION_TIMEOUT = 50
    CONCURRENT_TRANSACTIONS = 51
    OPERATION_NOT_ATTEMPTED = 55
    PRODUCER_FENCED = 90
    TRANSACTION_ABORTABLE = 120


class TransactionRefused(Exception):
    """The answer to a request is an error. Never leaves the broker: the handler puts it on the wire."""

    def __init__(self, error: TransactionError, message: str = "") -> None:
        super().__init__(f"{error.name}: {message}" if message else error.name)
        self.error = error
        self.message = message
