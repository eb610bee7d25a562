"""DescribeTransactions: v0. The state of transactional ids, and what their open transactions write to (KIP-664)."""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.refusals import TransactionalIdForbidden
from logflume.broker.security.acl import Operation, Resource
from logflume.coordinator.transactions.administration import Transactions
from logflume.coordinator.transactions.directory import TransactionalDirectory
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["describe_transactions"]

INVALID_REQUEST = 42


@handles(ApiKey.DESCRIBE_TRANSACTIONS, versions="0")
async def describe_transactions(call: Call, request: Any) -> Answer:
    """Tell states."""
    assert isinstance(call.directory, TransactionalDirectory)
    transactions = Transactions(call.directory.coordinator.room)
    return {
        "transaction_states": [
            await _one(call, transactions, name) for name in request.transactional_ids
        ]
    }


async def _one(call: Call, transactions: Transactions, name: str) -> dict[str, Any]:
    if not call.may(Operation.DESCRIBE, Resource.TRANSACTIONAL_ID, name):
        return _failed(name, TransactionalIdForbidden.code)
    if not name:
        return _failed(name, INVALID_REQUEST)
    try:
        found = await call.in_thread(transactions.describe, name)
    except LogflumeError as error:
        return _failed(name, error.code)
    topics: dict[str, list[int]] = {}
    for place in found.partitions:
        if not call.may_topic(Operation.DESCRIBE, place.topic):
            continue
        topics.setdefault(place.topic, []).append(place.partition)
    return {
        "error_code": 0,
        "transactional_id": name,
        "transaction_state": found.state,
        "transaction_timeout": found.timeout_ms,
        "transaction_start_time": found.started_ms,
        "producer_id": found.producer_id,
        "producer_epoch": found.producer_epoch,
        "topics": [{"topic": topic, "partitions": numbers} for topic, numbers in topics.items()],
    }


def _failed(name: str, code: int) -> dict[str, Any]:
    return {
        "error_code": code,
        "transactional_id": name,
        "transaction_state": "",
        "transaction_timeout": 0,
        "transaction_start_time": 0,
        "producer_id": -1,
        "producer_epoch": -1,
        "topics": [],
    }
