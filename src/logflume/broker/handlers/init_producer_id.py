"""InitProducerId: v0-5. A producer id of its own for each idempotent producer; the next epoch for a transactional one.

v2: flexible. v3: a transactional producer goes on after a failure, with the id and epoch it had (KIP-360). v4: error
90 (PRODUCER_FENCED) where older clients are told 47. v5: transactions of version 2. v6 (two-phase commit, KIP-939)
is not served.
Differs from Kafka: what the one before left open is aborted within the request, where Kafka has the client ask again
(51, CONCURRENT_TRANSACTIONS); one whose predecessor is an embedded producer that lives gets another producer id.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.messages import milliseconds
from logflume.broker.refusals import ClusterForbidden, TransactionalIdForbidden
from logflume.broker.security.acl import Operation, Resource
from logflume.broker.transactions import TransactionService, error_in
from logflume.coordinator.transactions.client_errors import TransactionError, TransactionRefused
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["init_producer_id"]

NONE = -1


@handles(ApiKey.INIT_PRODUCER_ID, versions="0-5")
async def init_producer_id(call: Call, request: Any) -> Answer:
    """A new id with epoch 0, or the next epoch of a transactional id."""
    known = (getattr(request, "producer_id", NONE), getattr(request, "producer_epoch", NONE))
    if (known[0] == NONE) != (known[1] == NONE):
        return _failed(TransactionError.INVALID_REQUEST)
    if request.transactional_id is None:
        if not _may_write(call):
            return _failed(ClusterForbidden.code)
        return await _idempotent(call)
    if not call.may(Operation.WRITE, Resource.TRANSACTIONAL_ID, request.transactional_id):
        return _failed(TransactionalIdForbidden.code)
    service = call.broker.service(TransactionService)
    try:
        entry = await service.init(
            request.transactional_id,
            milliseconds(request.transaction_timeout),
            None if known[0] == NONE else known,
        )
    except TransactionRefused as refused:
        return _failed(error_in(refused, knows_fenced=call.version >= 4))
    return {
        "error_code": 0,
        "producer_id": entry.producer_id,
        "producer_epoch": entry.producer_epoch,
    }


def _may_write(call: Call) -> bool:
    """Who may write to some topic may do so with sequences (KIP-679)."""
    if call.may_cluster(Operation.IDEMPOTENT_WRITE):
        return True
    return call.may_some(Operation.WRITE, Resource.TOPIC)


async def _idempotent(call: Call) -> Answer:
    try:
        # A block of ids is claimed on disk now and then.
        claimed = await call.in_thread(call.directory.producer_ids.claim)
    except LogflumeError as error:
        return _failed(error.code)
    return {"error_code": 0, "producer_id": claimed, "producer_epoch": 0}


def _failed(code: int) -> dict[str, Any]:
    return {"error_code": code, "producer_id": NONE, "producer_epoch": NONE}
