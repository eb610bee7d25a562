"""DescribeCluster: v0-2. v1: endpoint type. v2: fenced brokers. One broker, which is the controller, too.

Differs from Kafka: controllers have no endpoint of their own.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.permissions import NO_OPERATIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["describe_cluster"]

BROKERS = 1
MISMATCHED_ENDPOINT_TYPE = 114


@handles(ApiKey.DESCRIBE_CLUSTER, versions="0-2")
def describe_cluster(call: Call, request: Any) -> Answer:
    """Who there is."""
    broker = call.broker
    wanted = getattr(request, "endpoint_type", BROKERS)
    if wanted != BROKERS:
        return {
            "error_code": MISMATCHED_ENDPOINT_TYPE,
            "error_message": "this is a broker",
            "cluster_id": broker.cluster_id,
            "brokers": [],
        }
    return {
        "error_code": 0,
        "endpoint_type": BROKERS,
        "cluster_id": broker.cluster_id,
        "controller_id": broker.node_id,
        "brokers": [
            {
                "broker_id": broker.node_id,
                "host": call.address.host,
                "port": call.address.port,
                "rack": None,
                "is_fenced": False,
            }
        ],
        "cluster_authorized_operations": call.cluster_operations()
        if request.include_cluster_authorized_operations
        else NO_OPERATIONS,
    }
