"""CreateAcls: v1-3. v2: flexible. v3: resources of the kind USER.

Rules that are good are on disk together when it is answered, and hold from then on; those that are there already
stay as they are.
"""

from __future__ import annotations

from logflume.broker.acl_requests import acl_of
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
    from logflume.broker.security.acl import Acl

__all__ = ["create_acls"]


@handles(ApiKey.CREATE_ACLS, versions="1-3")
async def create_acls(call: Call, request: Any) -> Answer:
    """Add rules."""
    results: list[LogflumeError | None] = []
    good: set[Acl] = set()
    try:
        call.check_cluster(Operation.ALTER)
        if call.broker.authorizer is None:
            raise SecurityDisabled
        for asked in request.creations:
            try:
                good.add(acl_of(asked))
                results.append(None)
            except LogflumeError as error:
                results.append(error)
        if good:
            await call.in_thread(
                call.broker.security.change, lambda state: state._replace(acls=state.acls | good)
            )
    except LogflumeError as error:
        results = [error] * len(request.creations)
    return {
        "results": [
            {
                "error_code": error.code if error else 0,
                "error_message": str(error) if error else None,
            }
            for error in results
        ]
    }
