"""DeleteAcls: v1-3. v2: flexible. v3: resources of the kind USER. Tells what was deleted."""

from __future__ import annotations

from logflume.broker.acl_requests import acl_fields, filter_of
from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.refusals import SecurityDisabled
from logflume.broker.security.acl import Operation
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer
    from logflume.broker.security.acl import Acl, AclFilter
    from logflume.broker.security.store import SecurityState

__all__ = ["delete_acls"]


@handles(ApiKey.DELETE_ACLS, versions="1-3")
async def delete_acls(call: Call, request: Any) -> Answer:
    """Take away the rules that filters take."""
    filters: list[AclFilter | LogflumeError] = []
    before: frozenset[Acl] = frozenset()

    def apply(state: SecurityState) -> SecurityState:
        nonlocal before
        before = state.acls
        good = [one for one in filters if not isinstance(one, LogflumeError)]
        return state._replace(
            acls=frozenset(acl for acl in before if not any(one.takes(acl) for one in good))
        )

    try:
        call.check_cluster(Operation.ALTER)
        if call.broker.authorizer is None:
            raise SecurityDisabled
        for asked in request.filters:
            try:
                filters.append(filter_of(asked))
            except LogflumeError as error:
                filters.append(error)
        await call.in_thread(call.broker.security.change, apply)
    except LogflumeError as error:
        filters = [error] * len(request.filters)
    return {"filter_results": [_result(one, before) for one in filters]}


def _result(one: AclFilter | LogflumeError, before: frozenset[Acl]) -> dict[str, Any]:
    if isinstance(one, LogflumeError):
        return {"error_code": one.code, "error_message": str(one), "matching_acls": []}
    return {
        "error_code": 0,
        "error_message": None,
        "matching_acls": [
            {"error_code": 0, "error_message": None, **acl_fields(acl)}
            for acl in sorted(before)
            if one.takes(acl)
        ],
    }
