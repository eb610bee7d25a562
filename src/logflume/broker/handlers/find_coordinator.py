"""FindCoordinator: v0-6. It is always this broker.

v1: kinds of key. v4: several keys. v5: transactions 2. v6: who keeps the state of share partitions, which brokers
ask one another (keys "group:topic id:partition"). Differs from Kafka: no topic is made for the answer; and there
is no other broker to ask for that state, so its kind is answered with 42, INVALID_REQUEST.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.security.acl import Operation, Resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["find_coordinator"]

GROUP, TRANSACTION = 0, 1
INVALID_REQUEST = 42
GROUP_FORBIDDEN, TRANSACTIONAL_ID_FORBIDDEN = 30, 53


@handles(ApiKey.FIND_COORDINATOR, versions="0-6")
def find_coordinator(call: Call, request: Any) -> Answer:
    """Who coordinates groups and transactions."""
    keys = getattr(request, "coordinator_keys", None)
    if keys is None:
        return _find(call, request, request.key)
    found = [{**_find(call, request, key), "key": key} for key in keys]
    return {
        "error_code": 0,
        "error_message": None,
        "node_id": -1,
        "host": "",
        "port": -1,
        "coordinators": found,
    }


def _find(call: Call, request: Any, key: str) -> dict[str, Any]:
    kind = getattr(request, "key_type", GROUP)
    known = kind in (GROUP, TRANSACTION)
    resource = Resource.TRANSACTIONAL_ID if kind == TRANSACTION else Resource.GROUP
    if known and not call.may(Operation.DESCRIBE, resource, key):
        code = TRANSACTIONAL_ID_FORBIDDEN if kind == TRANSACTION else GROUP_FORBIDDEN
        return {
            "error_code": code,
            "error_message": "Not allowed.",
            "node_id": -1,
            "host": "",
            "port": -1,
        }
    return {
        "error_code": 0 if known else INVALID_REQUEST,
        "error_message": None if known else "This broker coordinates groups and transactions.",
        "node_id": call.broker.node_id if known else -1,
        "host": call.address.host if known else "",
        "port": call.address.port if known else -1,
    }
