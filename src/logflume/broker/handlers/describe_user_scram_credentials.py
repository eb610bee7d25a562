"""DescribeUserScramCredentials: v0. Who can log in, and with how many iterations; never the keys."""

from __future__ import annotations

from collections import Counter

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.refusals import ClusterForbidden
from logflume.broker.security.acl import Operation
from logflume.broker.security.scram_numbers import MECHANISMS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["describe_user_scram_credentials"]

RESOURCE_NOT_FOUND = 91
DUPLICATE_RESOURCE = 92
NUMBERS = {name: number for number, name in MECHANISMS.items()}


@handles(ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, versions="0")
def describe_user_scram_credentials(call: Call, request: Any) -> Answer:
    """All users, or those that are named."""
    if not call.may_cluster(Operation.DESCRIBE):
        return {"error_code": ClusterForbidden.code, "error_message": "not allowed", "results": []}
    users = call.broker.security.current().users
    named = Counter(user.name for user in request.users or ())
    results = []
    for name in named or sorted(users):
        code, message = 0, None
        if named[name] > 1:
            code, message = DUPLICATE_RESOURCE, f"user {name!r} is named twice"
        elif name not in users:
            code, message = RESOURCE_NOT_FOUND, f"there is no user {name!r}"
        results.append(
            {
                "user": name,
                "error_code": code,
                "error_message": message,
                "credential_infos": [
                    {"mechanism": NUMBERS[mechanism], "iterations": one.iterations}
                    for mechanism, one in users.get(name, {}).items()
                    if not code
                ],
            }
        )
    return {"error_code": 0, "error_message": None, "results": results}
