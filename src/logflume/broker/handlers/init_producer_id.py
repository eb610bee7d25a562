"""InitProducerId: v0-5. A producer id of its own for each idempotent producer.

v2: flexible. v3: a producer that lost its place asks with the id it had, and gets the next epoch. v4: fenced
producers. v5: transactions of version 2.
Differs from Kafka: transactional ids are not served yet: error 35, so that a client does not take part of a
transaction for all of it.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["init_producer_id"]

UNSUPPORTED_VERSION = 35
EPOCH_MAX = (1 << 15) - 1


@handles(ApiKey.INIT_PRODUCER_ID, versions="0-5")
async def init_producer_id(call: Call, request: Any) -> Answer:
    """A new id with epoch 0, or the next epoch of the one that the producer has."""
    if request.transactional_id is not None:
        return _failed(UNSUPPORTED_VERSION)
    known, epoch = getattr(request, "producer_id", -1), getattr(request, "producer_epoch", -1)
    if known >= 0 and 0 <= epoch < EPOCH_MAX - 1:
        return {"error_code": 0, "producer_id": known, "producer_epoch": epoch + 1}
    try:
        # A block of ids is claimed on disk now and then.
        claimed = await call.in_thread(call.directory.producer_ids.claim)
    except LogflumeError as error:
        return _failed(error.code)
    return {"error_code": 0, "producer_id": claimed, "producer_epoch": 0}


def _failed(code: int) -> dict[str, Any]:
    return {"error_code": code, "producer_id": -1, "producer_epoch": -1}
