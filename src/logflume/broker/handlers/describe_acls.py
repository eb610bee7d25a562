"""DescribeAcls: v1-3. v2: flexible. v3: resources of the kind USER."""

from __future__ import annotations

from logflume.broker.acl_requests import acl_fields, filter_of
from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.refusals import InvalidRequest, SecurityDisabled
from logflume.broker.security.acl import Operation
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer
    from logflume.broker.security.acl import Acl

__all__ = ["describe_acls"]


@handles(ApiKey.DESCRIBE_ACLS, versions="1-3")
def describe_acls(call: Call, request: Any) -> Answer:
    """The rules that a filter takes, by resource."""
    try:
        call.check_cluster(Operation.DESCRIBE)
        if call.broker.authorizer is None:
            raise SecurityDisabled
        wanted = filter_of(request)
    except (LogflumeError, InvalidRequest) as error:
        return {"error_code": error.code, "error_message": str(error), "resources": []}
    found: dict[tuple[int, str, int], list[Acl]] = {}
    for acl in sorted(call.broker.security.current().acls):
        if wanted.takes(acl):
            found.setdefault((acl.resource, acl.name, acl.pattern), []).append(acl)
    return {
        "error_code": 0,
        "error_message": None,
        "resources": [
            {
                "resource_type": resource,
                "resource_name": name,
                "pattern_type": pattern,
                "acls": [
                    {
                        key: value
                        for key, value in acl_fields(acl).items()
                        if key in ("principal", "host", "operation", "permission_type")
                    }
                    for acl in acls
                ],
            }
            for (resource, name, pattern), acls in found.items()
        ],
    }
