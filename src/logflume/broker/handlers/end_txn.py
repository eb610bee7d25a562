"""EndTxn: v0-5. A transaction is committed or aborted.

v2: error 90 (PRODUCER_FENCED) where older clients are told 47. v3: flexible. v4: error 120 (TRANSACTION_ABORTABLE).
v5: transactions of version 2 (KIP-890): each end raises the epoch, which the answer tells.
A commit is on disk, and in all partitions at once for readers, when it is answered; in Kafka it is decided, and the
markers follow.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.refusals import TransactionalIdForbidden
from logflume.broker.security.acl import Operation, Resource
from logflume.broker.transactions import TransactionService, error_in
from logflume.coordinator.transactions.client_errors import TransactionRefused
from logflume.coordinator.transactions.clients import TransactionalClient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["end_txn"]


@handles(ApiKey.END_TXN, versions="0-5")
async def end_txn(call: Call, request: Any) -> Answer:
    """Commit or abort."""
    who = TransactionalClient(request.transactional_id, request.producer_id, request.producer_epoch)
    if not call.may(Operation.WRITE, Resource.TRANSACTIONAL_ID, who.transactional_id):
        code = TransactionalIdForbidden.code
        return {"error_code": code, "producer_id": -1, "producer_epoch": -1}
    service = call.broker.service(TransactionService)
    try:
        entry = await service.end(who, commit=request.committed, raises=call.version >= 5)
    except TransactionRefused as refused:
        code = error_in(refused, knows_fenced=call.version >= 2)
        return {"error_code": code, "producer_id": -1, "producer_epoch": -1}
    return {
        "error_code": 0,
        "producer_id": entry.producer_id,
        "producer_epoch": entry.producer_epoch,
    }
