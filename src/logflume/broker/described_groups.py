"""What ConsumerGroupDescribe and ShareGroupDescribe say in the same way: a group, or why it may not be seen."""

from __future__ import annotations

from logflume.broker.permissions import NO_OPERATIONS
from logflume.broker.security.acl import Operation, Resource
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection
    from typing import Any, TypeAlias

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

    Describe: TypeAlias = Callable[[Call, str], Awaitable["DescribedGroup"]]

__all__ = ["DescribedGroup", "describe_groups"]


class DescribedGroup(NamedTuple):
    """A group in the protocol's words; `topics` are those that a client must be allowed to see."""

    state: str
    epoch: int
    target_epoch: int
    assignor: str
    members: list[dict[str, Any]]
    topics: Collection[str]


async def describe_groups(call: Call, request: Any, describe: Describe) -> Answer:
    """The answer for all groups that are asked for. `describe` raises GroupRefused for one that it cannot."""
    asked = request.include_authorized_operations
    return {
        "groups": [
            await _described(call, name, describe, operations=asked) for name in request.group_ids
        ]
    }


async def _described(
    call: Call, name: str, describe: Describe, *, operations: bool
) -> dict[str, Any]:
    error, message, allowed = GroupError.NONE, None, NO_OPERATIONS
    try:
        call.check_group(Operation.DESCRIBE, name)
        group = await describe(call, name)
        if not all(call.may_topic(Operation.DESCRIBE, topic) for topic in group.topics):
            raise GroupRefused(
                GroupError.TOPIC_AUTHORIZATION_FAILED, "it reads topics that may not be described"
            )
        if operations:
            allowed = call.operations(Resource.GROUP, name)
    except GroupRefused as refused:
        error, message = refused.error, refused.message or None
        group = DescribedGroup("", 0, 0, "", [], ())
    return {
        "error_code": error,
        "error_message": message,
        "group_id": name,
        "group_state": group.state,
        "group_epoch": group.epoch,
        "assignment_epoch": group.target_epoch,
        "assignor_name": group.assignor,
        "members": group.members,
        "authorized_operations": allowed,
    }
