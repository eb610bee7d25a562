"""IncrementalAlterConfigs: v0-1. Set, delete, append to and subtract from a list. v1: flexible.

Settings of topics and of groups change; a group's have no lists.
"""

from __future__ import annotations

from collections import Counter

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.refusals import InvalidRequest
from logflume.broker.resources import GROUP, TOPIC, alter, check_configs
from logflume.broker.security.acl import Operation
from logflume.config.kinds import Choices
from logflume.errors import InvalidConfig, LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["incremental_alter_configs"]

SET, DELETE, APPEND, SUBTRACT = range(4)


@handles(ApiKey.INCREMENTAL_ALTER_CONFIGS, versions="0-1")
async def incremental_alter_configs(call: Call, request: Any) -> Answer:
    """Change single settings of each resource."""
    responses = []
    for resource in request.resources:
        try:
            check_configs(call, Operation.ALTER_CONFIGS, resource)
            changes = _changes(call, resource)
        except LogflumeError as error:
            responses.append(
                {
                    "error_code": error.code,
                    "error_message": str(error),
                    "resource_type": resource.resource_type,
                    "resource_name": resource.resource_name,
                }
            )
        else:
            responses.append(
                await alter(call, resource, changes, validate_only=request.validate_only)
            )
    return {"responses": responses}


def _changes(call: Call, resource: Any) -> dict[str, object]:
    named = Counter(item.name for item in resource.configs)
    twice = [name for name, count in named.items() if count > 1]
    if twice:
        raise InvalidRequest(reason=f"the setting {twice[0]!r} is named more than once")
    return {item.name: _value(call, resource, item) for item in resource.configs}


def _value(call: Call, resource: Any, item: Any) -> object:
    if item.config_operation == DELETE:
        return None
    if item.value is None:
        raise InvalidRequest(reason=f"{item.name}: there is no value")
    if item.config_operation == SET:
        return item.value
    if item.config_operation not in (APPEND, SUBTRACT):
        raise InvalidRequest(reason=f"{item.name}: unknown operation {item.config_operation}")
    if resource.resource_type == GROUP:
        raise InvalidConfig(
            name=item.name, value=item.value, reason="is no list: it can only be set"
        )
    if resource.resource_type != TOPIC:
        return item.value  # refused as a whole
    config = call.broker.topics.get(resource.resource_name).config
    known = config.get(item.name)
    if not isinstance(type(config).names[item.name].kind, Choices):
        raise InvalidConfig(
            name=item.name, value=item.value, reason="is no list: it can only be set"
        )
    given = [word.strip() for word in item.value.split(",")]
    if item.config_operation == APPEND:
        return [*known, *(word for word in given if word not in known)]
    return [word for word in known if word not in given]
