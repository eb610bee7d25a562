"""AlterConfigs: v0-2. What is not named goes back to its default. v2: flexible. Settings of topics and
groups change."""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.resources import GROUP, TOPIC, alter, check_configs
from logflume.broker.security.acl import Operation
from logflume.errors import LogflumeError

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
        changes = {**_resets(call, resource), **changes}
        responses.append(await alter(call, resource, changes, validate_only=request.validate_only))
    return {"responses": responses}


def _resets(call: Call, resource: Any) -> dict[str, object]:
    name = resource.resource_name
    try:
        check_configs(call, Operation.ALTER_CONFIGS, resource)
        if resource.resource_type == TOPIC:
            return dict.fromkeys(call.broker.topics.get(name).config.explicit())
        if resource.resource_type == GROUP:
            return dict.fromkeys(call.broker.service(GroupService).configs.of(name).explicit())
    except LogflumeError:
        pass  # told by the change itself
    return {}
