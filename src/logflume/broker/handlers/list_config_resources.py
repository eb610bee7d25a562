"""ListConfigResources: v0-1 (KIP-1000, KIP-1142). What has settings. v1: topics, brokers and groups, also by kind.

Version 0 lists client metrics only, of which there are none here.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.refusals import ClusterForbidden
from logflume.broker.resources import BROKER, GROUP, TOPIC
from logflume.broker.security.acl import Operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["list_config_resources"]

UNSUPPORTED_VERSION = 35
CLIENT_METRICS, BROKER_LOGGER = 16, 8
KINDS = (TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP)


@handles(ApiKey.LIST_CONFIG_RESOURCES, versions="0-1")
def list_config_resources(call: Call, request: Any) -> Answer:
    """Names of what has settings."""
    if not call.may_cluster(Operation.DESCRIBE_CONFIGS):
        return {"error_code": ClusterForbidden.code, "config_resources": []}
    wanted = getattr(request, "resource_types", (CLIENT_METRICS,)) or KINDS
    if not set(wanted) <= set(KINDS):
        return {"error_code": UNSUPPORTED_VERSION, "config_resources": []}
    broker = call.broker
    names = {
        TOPIC: [name for name, entry in broker.topics.entries().items() if not entry.deleting],
        BROKER: [str(broker.node_id)],
        GROUP: list(broker.service(GroupService).configs.current()),
    }
    return {
        "error_code": 0,
        "config_resources": [
            {"resource_type": kind, "resource_name": name}
            for kind in wanted
            for name in sorted(names.get(kind, ()))
        ],
    }
