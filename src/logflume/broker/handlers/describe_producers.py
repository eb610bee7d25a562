"""DescribeProducers: v0. What partitions know of the producers that wrote to them (KIP-664)."""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.partitions import Served
from logflume.broker.refusals import TopicForbidden
from logflume.broker.security.acl import Operation
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume._native.partition import Partition
    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer
    from logflume.types import ProducerState

__all__ = ["describe_producers"]


@handles(ApiKey.DESCRIBE_PRODUCERS, versions="0")
async def describe_producers(call: Call, request: Any) -> Answer:
    """Tell producers, their last sequences and open transactions."""
    return {
        "topics": [
            {
                "name": topic.name,
                "partitions": [
                    await _partition(call, topic.name, number) for number in topic.partition_indexes
                ],
            }
            for topic in request.topics
        ]
    }


async def _partition(call: Call, name: str, number: int) -> dict[str, Any]:
    error, message = 0, None
    found: list[ProducerState] = []
    if not call.may_topic(Operation.READ, name):
        return {
            "partition_index": number,
            "error_code": TopicForbidden.code,
            "error_message": None,
            "active_producers": [],
        }
    served = await call.broker.partitions.find(name, number)
    if isinstance(served, Served):
        try:
            found = await call.in_thread(_producers, served.log)
        except LogflumeError as failure:
            error, message = failure.code, str(failure)
    else:
        error = served
    return {
        "partition_index": number,
        "error_code": error,
        "error_message": message,
        "active_producers": [
            {
                "producer_id": state.producer_id,
                "producer_epoch": state.epoch,
                "last_sequence": state.last_sequence,
                "last_timestamp": state.last_timestamp,
                "coordinator_epoch": state.coordinator_epoch,
                "current_txn_start_offset": state.txn_first_offset,
            }
            for state in found
        ],
    }


def _producers(log: Partition) -> list[ProducerState]:
    return log.producers()
