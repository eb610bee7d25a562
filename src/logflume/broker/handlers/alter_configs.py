"""AlterConfigs: v0-2. What is not named goes back to its default. v2: flexible. Only topics' settings change."""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.resources import TOPIC, alter
from logflume.broker.security.acl import Operation
from logflume.errors import UnknownTopicOrPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["alter_configs"]


@handles(ApiKey.ALTER_CONFIGS, versions="0-2")
async def alter_configs(call: Call, request: Any) -> Answer:
    """Replace all settings of each resource."""
    responses = []
    for resource in request.resources:
        changes: dict[str, object] = {item.name: item.value for item in resource.configs}
        # What may not be altered is told by the change itself.
        if resource.resource_type == TOPIC and call.may_topic(
            Operation.ALTER_CONFIGS, resource.resource_name
        ):
            changes = {**_resets(call, resource.resource_name), **changes}
        responses.append(await alter(call, resource, changes, validate_only=request.validate_only))
    return {"responses": responses}


def _resets(call: Call, topic: str) -> dict[str, object]:
    try:
        return dict.fromkeys(call.broker.topics.get(topic).config.explicit())
    except UnknownTopicOrPartition:
        return {}  # told by the change itself
