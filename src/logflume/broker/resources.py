"""What settings belong to, in the protocol's numbers, and changes of them."""

from __future__ import annotations

from logflume.broker.groups import GroupService
from logflume.broker.refusals import GroupForbidden, InvalidRequest
from logflume.broker.security.acl import Operation, Resource
from logflume.broker.topic_changes import alter_settings
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.server import Broker

__all__ = ["BROKER", "GROUP", "TOPIC", "alter", "check_broker", "check_configs"]

TOPIC, BROKER, GROUP = 2, 4, 32


def check_broker(broker: Broker, name: str) -> None:
    """Raise InvalidRequest unless a resource's name is this broker's number."""
    if name != str(broker.node_id):
        raise InvalidRequest(reason=f"broker {name!r}: there is only {broker.node_id}")


def check_configs(call: Call, operation: Operation, resource: Any) -> None:
    """Raise TopicForbidden, GroupForbidden or ClusterForbidden unless the client may see or change these settings."""
    if resource.resource_type == TOPIC:
        call.check_topic(operation, resource.resource_name)
    elif resource.resource_type == GROUP:
        if not call.may(operation, Resource.GROUP, resource.resource_name):
            raise GroupForbidden(group=resource.resource_name)
    else:
        call.check_cluster(operation)


async def alter(
    call: Call, resource: Any, changes: Mapping[str, object], *, validate_only: bool
) -> dict[str, Any]:
    """Change a resource's settings; the entry of the response."""
    code, message = 0, None
    try:
        check_configs(call, Operation.ALTER_CONFIGS, resource)
        if resource.resource_type == BROKER:
            if all(value is None for value in changes.values()):
                return _changed(
                    resource
                )  # nothing is set at run time, so nothing is left to take back
            raise InvalidRequest(reason="a broker's settings are fixed when it starts")
        if resource.resource_type == GROUP:
            configs = call.broker.service(GroupService).configs
            await call.in_thread(
                configs.alter, resource.resource_name, changes, validate_only=validate_only
            )
        elif resource.resource_type != TOPIC:
            raise InvalidRequest(
                reason=f"resources of type {resource.resource_type} have no settings here"
            )
        else:
            await call.in_thread(
                alter_settings,
                call.directory,
                resource.resource_name,
                changes,
                validate_only=validate_only,
            )
    except LogflumeError as error:
        code, message = error.code, str(error)
    return _changed(resource, code, message)


def _changed(resource: Any, code: int = 0, message: str | None = None) -> dict[str, Any]:
    return {
        "error_code": code,
        "error_message": message,
        "resource_type": resource.resource_type,
        "resource_name": resource.resource_name,
    }
