"""Rules and filters of the ACL requests, from and to the protocol's numbers."""

from __future__ import annotations

from logflume.broker.refusals import InvalidRequest
from logflume.broker.security.acl import (
    Acl,
    AclFilter,
    Operation,
    Pattern,
    Permission,
    Resource,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["acl_fields", "acl_of", "filter_of"]


def acl_of(asked: Any) -> Acl:
    """The rule to be stored. Raises InvalidRequest for one that Kafka would not take."""
    try:
        acl = Acl(
            Resource(asked.resource_type),
            asked.resource_name,
            Pattern(asked.resource_pattern_type),
            asked.principal,
            asked.host,
            Operation(asked.operation),
            Permission(asked.permission_type),
        )
    except ValueError as error:
        raise InvalidRequest(reason=f"unknown number: {error}") from None
    problem = acl.problem()
    if problem is not None:
        raise InvalidRequest(reason=problem)
    return acl


def filter_of(asked: Any) -> AclFilter:
    """Which rules are meant. Raises InvalidRequest for numbers that mean nothing."""
    try:
        return AclFilter(
            Resource(asked.resource_type_filter),
            asked.resource_name_filter,
            Pattern(asked.pattern_type_filter),
            asked.principal_filter,
            asked.host_filter,
            Operation(asked.operation),
            Permission(asked.permission_type),
        )
    except ValueError as error:
        raise InvalidRequest(reason=f"unknown number: {error}") from None


def acl_fields(acl: Acl) -> dict[str, Any]:
    """A rule's fields in answers."""
    return {
        "resource_type": int(acl.resource),
        "resource_name": acl.name,
        "pattern_type": int(acl.pattern),
        "principal": acl.principal,
        "host": acl.host,
        "operation": int(acl.operation),
        "permission_type": int(acl.permission),
    }
