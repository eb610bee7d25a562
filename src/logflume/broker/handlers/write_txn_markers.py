"""WriteTxnMarkers: v1-2. An operator ends a transaction that hangs in a partition (`kafka-transactions abort`).

v2: the version of the transaction's producer, which is not looked at.
Differs from Kafka: here no broker sends it; where the producer has no transaction open nothing is written.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.partitions import Served
from logflume.broker.refusals import ClusterForbidden
from logflume.broker.security.acl import Operation
from logflume.broker.transactions import TransactionService
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["write_txn_markers"]


@handles(ApiKey.WRITE_TXN_MARKERS, versions="1-2")
async def write_txn_markers(call: Call, request: Any) -> Answer:
    """Write markers."""
    return {
        "markers": [
            {
                "producer_id": marker.producer_id,
                "topics": [
                    {
                        "name": topic.name,
                        "partitions": [
                            {
                                "partition_index": number,
                                "error_code": await _write(call, marker, topic.name, number),
                            }
                            for number in topic.partition_indexes
                        ],
                    }
                    for topic in marker.topics
                ],
            }
            for marker in request.markers
        ]
    }


async def _write(call: Call, marker: Any, name: str, number: int) -> int:
    """Kafka's error code, 0 when it is written."""
    if not call.may_cluster(Operation.CLUSTER_ACTION) and not call.may_cluster(Operation.ALTER):
        return ClusterForbidden.code
    served = await call.broker.partitions.find(name, number)
    if not isinstance(served, Served):
        return served
    try:
        await call.in_thread(
            call.broker.service(TransactionService).clients.mark,
            served.log,
            marker.producer_id,
            marker.producer_epoch,
            marker.coordinator_epoch,
            commit=marker.transaction_result,
        )
    except LogflumeError as error:
        return error.code
    return 0
