"""AlterClientQuotas: v0-1. v1: flexible. All good changes of a request are on disk when it is answered.

Differs from Kafka: producer_byte_rate, consumer_byte_rate and (for addresses) connection_creation_rate are kept to;
request_percentage and controller_mutation_rate are refused.
"""

from __future__ import annotations

import math

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.refusals import InvalidRequest
from logflume.broker.security.acl import Operation
from logflume.broker.security.quotas import CLIENT_ID, CONNECTIONS, CONSUMER, IP, PRODUCER, USER
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer
    from logflume.broker.security.store import Entity, SecurityState

    Changes = list[tuple[Entity, dict[str, float | None]]]

__all__ = ["alter_client_quotas"]

NAME_BYTES_MAX = 1024
KEYS = {
    (USER,): (PRODUCER, CONSUMER),
    (CLIENT_ID,): (PRODUCER, CONSUMER),
    (CLIENT_ID, USER): (PRODUCER, CONSUMER),
    (IP,): (CONNECTIONS,),
}


@handles(ApiKey.ALTER_CLIENT_QUOTAS, versions="0-1")
async def alter_client_quotas(call: Call, request: Any) -> Answer:
    """Set and remove rates."""
    results: list[LogflumeError | None] = []
    changes: Changes = []
    try:
        call.check_cluster(Operation.ALTER_CONFIGS)
        for entry in request.entries:
            try:
                changes.append(_change(entry))
                results.append(None)
            except LogflumeError as error:
                results.append(error)
        if changes and not request.validate_only:
            await call.in_thread(call.broker.security.change, lambda state: _apply(state, changes))
    except LogflumeError as error:
        results = [error] * len(request.entries)
    return {
        "entries": [
            {
                "error_code": error.code if error else 0,
                "error_message": str(error) if error else None,
                "entity": [
                    {"entity_type": one.entity_type, "entity_name": one.entity_name}
                    for one in entry.entity
                ],
            }
            for entry, error in zip(request.entries, results)
        ]
    }


def _change(entry: Any) -> tuple[Entity, dict[str, float | None]]:
    """An entity and its new values, None for those that go. Raises InvalidRequest."""
    named = {one.entity_type: one.entity_name for one in entry.entity}
    kinds = tuple(sorted(named))
    if kinds not in KEYS or len(named) < len(entry.entity):
        raise InvalidRequest(
            reason=f"quotas are of a user, a client-id, both, or an ip: not of {kinds}"
        )
    if any(name is not None and not 0 < len(name) <= NAME_BYTES_MAX for name in named.values()):
        raise InvalidRequest(reason="an entity has a name, or none where the default is meant")
    values: dict[str, float | None] = {}
    for op in entry.ops:
        if op.key not in KEYS[kinds]:
            raise InvalidRequest(
                reason=f"{op.key!r} is not kept to here for {kinds}: {', '.join(KEYS[kinds])}"
            )
        if not op.remove and not (math.isfinite(op.value) and op.value > 0):
            raise InvalidRequest(reason=f"{op.key} must be more than 0")
        values[op.key] = None if op.remove else op.value
    return tuple(sorted(named.items())), values


def _apply(state: SecurityState, changes: Changes) -> SecurityState:
    quotas = {entity: dict(values) for entity, values in state.quotas.items()}
    for entity, values in changes:
        merged = {**quotas.get(entity, {}), **values}
        quotas[entity] = {key: value for key, value in merged.items() if value is not None}
        if not quotas[entity]:
            del quotas[entity]
    return state._replace(quotas=quotas)
