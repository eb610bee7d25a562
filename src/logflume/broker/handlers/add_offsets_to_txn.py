"""AddOffsetsToTxn: v0-4. A transaction is going to move a group's committed offsets.

v2: error 90 (PRODUCER_FENCED) where older clients are told 47. v3: flexible. v4: error 120 (TRANSACTION_ABORTABLE).
Clients of transactions of version 2 leave it out.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.refusals import TransactionalIdForbidden
from logflume.broker.security.acl import Operation, Resource
from logflume.broker.transactions import TransactionService, error_in
from logflume.coordinator.group_errors import GroupRefused
from logflume.coordinator.transactions.client_errors import TransactionRefused
from logflume.coordinator.transactions.clients import TransactionalClient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["add_offsets_to_txn"]


@handles(ApiKey.ADD_OFFSETS_TO_TXN, versions="0-4")
async def add_offsets_to_txn(call: Call, request: Any) -> Answer:
    """Add a group's partition of `__consumer_offsets` to an open transaction."""
    who = TransactionalClient(request.transactional_id, request.producer_id, request.producer_epoch)
    if not call.may(Operation.WRITE, Resource.TRANSACTIONAL_ID, who.transactional_id):
        return {"error_code": TransactionalIdForbidden.code}
    try:
        call.check_group(Operation.READ, request.group_id)
        place = await call.broker.service(GroupService).place_of(request.group_id)
        await call.broker.service(TransactionService).join(who, [place])
    except GroupRefused as refused:
        return {"error_code": int(refused.error)}
    except TransactionRefused as refused:
        return {"error_code": error_in(refused, knows_fenced=call.version >= 2)}
    return {"error_code": 0}
