"""DescribeClientQuotas: v0-1. v1: flexible. The quotas of users, clients and addresses that a filter takes."""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.refusals import ClusterForbidden
from logflume.broker.security.acl import Operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["describe_client_quotas"]

EXACT, DEFAULT, ANY = 0, 1, 2
INVALID_REQUEST = 42


@handles(ApiKey.DESCRIBE_CLIENT_QUOTAS, versions="0-1")
def describe_client_quotas(call: Call, request: Any) -> Answer:
    """Entities and their values."""
    if not call.may_cluster(Operation.DESCRIBE_CONFIGS):
        return _failed(ClusterForbidden.code, "not allowed")
    kinds = [component.entity_type for component in request.components]
    if len(set(kinds)) < len(kinds):
        return _failed(INVALID_REQUEST, "a kind of entity is named twice")
    if any(component.match_type not in (EXACT, DEFAULT, ANY) for component in request.components):
        return _failed(INVALID_REQUEST, "unknown kind of match")
    return {
        "error_code": 0,
        "error_message": None,
        "entries": [
            {
                "entity": [{"entity_type": kind, "entity_name": name} for kind, name in entity],
                "values": [{"key": key, "value": value} for key, value in values.items()],
            }
            for entity, values in call.broker.security.current().quotas.items()
            if _is_meant(request, dict(entity))
        ],
    }


def _failed(code: int, message: str) -> dict[str, Any]:
    return {"error_code": code, "error_message": message, "entries": None}


def _is_meant(request: Any, entity: Mapping[str, str | None]) -> bool:
    if request.strict and len(entity) != len(request.components):
        return False
    for component in request.components:
        if component.entity_type not in entity:
            return False
        name = entity[component.entity_type]
        if component.match_type == EXACT and name != component.match:
            return False
        if component.match_type == DEFAULT and name is not None:
            return False
    return True
