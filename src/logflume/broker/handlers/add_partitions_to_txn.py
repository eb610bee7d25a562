"""AddPartitionsToTxn: v0-5. Partitions that a transaction is going to write to; it begins with the first.

v2: error 90 (PRODUCER_FENCED) where older clients are told 47. v3: flexible. v4: several transactions, and only
asking whether partitions are part of one. v5: error 120 (TRANSACTION_ABORTABLE).
Clients of transactions of version 2 leave it out: their first batch for a partition says the same.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.refusals import TransactionalIdForbidden
from logflume.broker.security.acl import Operation, Resource
from logflume.broker.transactions import TransactionService, error_in
from logflume.config.names import INTERNAL_TOPICS
from logflume.coordinator.transactions.client_errors import TransactionError, TransactionRefused
from logflume.coordinator.transactions.clients import TransactionalClient
from logflume.errors import code_of
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["add_partitions_to_txn"]

UNKNOWN = code_of("UnknownTopicOrPartition")
TOPIC_AUTHORIZATION_FAILED = 29
NONE: int = TransactionError.NONE


@handles(ApiKey.ADD_PARTITIONS_TO_TXN, versions="0-5")
async def add_partitions_to_txn(call: Call, request: Any) -> Answer:
    """Add partitions to open transactions."""
    if call.version < 4:
        who = TransactionalClient(
            request.v3_and_below_transactional_id,
            request.v3_and_below_producer_id,
            request.v3_and_below_producer_epoch,
        )
        topics = request.v3_and_below_topics
        return {"results_by_topic_v3_and_below": await _one(call, who, topics, verify=False)}
    results = []
    for one in request.transactions:
        who = TransactionalClient(one.transactional_id, one.producer_id, one.producer_epoch)
        topics = await _one(call, who, one.topics, verify=one.verify_only)
        results.append({"transactional_id": one.transactional_id, "topic_results": topics})
    return {"error_code": NONE, "results_by_transaction": results}


async def _one(
    call: Call, who: TransactionalClient, topics: Any, *, verify: bool
) -> list[dict[str, Any]]:
    """All of a transaction's partitions, or none: where one is refused, the others were not attempted."""
    may_write = call.may(Operation.WRITE, Resource.TRANSACTIONAL_ID, who.transactional_id)
    error = _error if may_write else _forbidden
    errors = {
        TopicPartition(topic.name, number): error(call, topic.name, number)
        for topic in topics
        for number in topic.partitions
    }
    if may_write and any(errors.values()):
        not_tried = int(TransactionError.OPERATION_NOT_ATTEMPTED)
        errors = {place: error or not_tried for place, error in errors.items()}
    elif may_write and errors:
        errors = await _ask(call, who, errors, verify=verify)
    return [
        {
            "name": topic.name,
            "results_by_partition": [
                {
                    "partition_index": number,
                    "partition_error_code": errors[TopicPartition(topic.name, number)],
                }
                for number in topic.partitions
            ],
        }
        for topic in topics
    ]


async def _ask(
    call: Call, who: TransactionalClient, places: dict[TopicPartition, int], *, verify: bool
) -> dict[TopicPartition, int]:
    service = call.broker.service(TransactionService)
    try:
        await (service.check if verify else service.join)(who, places)
    except TransactionRefused as refused:
        return dict.fromkeys(places, error_in(refused, knows_fenced=call.version >= 2))
    return dict.fromkeys(places, NONE)


def _forbidden(call: Call, name: str, number: int) -> int:
    return TransactionalIdForbidden.code


def _error(call: Call, name: str, number: int) -> int:
    if name in INTERNAL_TOPICS or not call.may_topic(Operation.WRITE, name):
        return TOPIC_AUTHORIZATION_FAILED
    entry = call.broker.topics.find(name)
    return NONE if entry is not None and 0 <= number < entry.partitions else UNKNOWN
