"""ListTransactions: v0-2. All transactional ids, of clients and of embedded producers (KIP-664).

States and producer ids as filters; v1: only those that are open for so long; v2: only names that match (RE2).
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.security.acl import Operation, Resource
from logflume.coordinator.group_errors import GroupRefused
from logflume.coordinator.topic_patterns import compile_pattern
from logflume.coordinator.transactions.administration import Transactions
from logflume.coordinator.transactions.directory import TransactionalDirectory
from logflume.coordinator.transactions.entry import State
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer
    from logflume.coordinator.transactions.administration import TransactionDescription

__all__ = ["list_transactions"]

_WORDS = {state.word for state in State}


@handles(ApiKey.LIST_TRANSACTIONS, versions="0-2")
async def list_transactions(call: Call, request: Any) -> Answer:
    """Tell names, producer ids and states."""
    assert isinstance(call.directory, TransactionalDirectory)
    unknown = [word for word in request.state_filters if word not in _WORDS]
    try:
        found = await call.in_thread(Transactions(call.directory.coordinator.room).list)
        chosen = _chosen(request, found, call.broker.clock.ms())
    except LogflumeError as error:
        return {"error_code": error.code, "unknown_state_filters": [], "transaction_states": []}
    except GroupRefused as refused:
        code = int(refused.error)
        return {"error_code": code, "unknown_state_filters": [], "transaction_states": []}
    return {
        "error_code": 0,
        "unknown_state_filters": unknown,
        "transaction_states": [
            {
                "transactional_id": one.transactional_id,
                "producer_id": one.producer_id,
                "transaction_state": one.state,
            }
            for one in chosen
            if call.may(Operation.DESCRIBE, Resource.TRANSACTIONAL_ID, one.transactional_id)
        ],
    }


def _chosen(
    request: Any, found: list[TransactionDescription], now_ms: int
) -> list[TransactionDescription]:
    states, producers = set(request.state_filters), set(request.producer_id_filters)
    age_ms = getattr(request, "duration_filter", -1)
    pattern = getattr(request, "transactional_id_pattern", None)
    matches = compile_pattern(pattern) if pattern else None
    return [
        one
        for one in found
        if (not states or one.state in states)
        and (not producers or one.producer_id in producers)
        and (age_ms < 0 or (one.is_open and now_ms - one.started_ms > age_ms))
        and (matches is None or matches(one.transactional_id))
    ]
