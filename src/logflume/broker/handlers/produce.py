"""Produce: v3-13. Batches are checked, appended, and with acks=all on disk when the answer leaves.

v5: log start offset. v8: messages of errors. v9: flexible. v10: other leaders (there are none). v11, v12:
transactions, as Kafka's; v13: topics by id. Versions 0-2 are advertised, because librdkafka concludes from their
absence that there are no codecs, and answered as Kafka answers them: by closing the connection.
Differs from Kafka: `timeout_ms` is not looked at, since there are no other replicas to wait for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial

from logflume._native.produce import BUSY, ProduceRequest
from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import Pipelined, handles
from logflume.broker.partitions import UNKNOWN_TOPIC_ID, Served
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any

    from logflume._native.frames import Frame
    from logflume._native.partition import Partition
    from logflume.broker.call import Call
    from logflume.broker.dispatch import Parts

__all__ = ["produce"]

INVALID_REQUIRED_ACKS = 21


@handles(ApiKey.PRODUCE, versions="3-13", advertised_from=0, raw=True)
def produce(call: Call, frame: Frame) -> Parts | Pipelined | Awaitable[Parts | Pipelined]:
    """Append in the order of the requests; only the waiting for the disk overlaps."""
    request = ProduceRequest(frame)
    found: list[Served | int | None] = []
    partitions = call.broker.partitions
    for i in range(len(request)):
        name = partitions.name_of(request.topic(i))
        if name is None:
            found.append(UNKNOWN_TOPIC_ID)
        else:
            found.append(partitions.ready(name, request.index(i)))
    if None in found:
        return _open_then_append(call, request, found)
    return _append(call, request, found)


async def _open_then_append(
    call: Call, request: ProduceRequest, found: list[Served | int | None]
) -> Parts | Pipelined:
    for i, served in enumerate(found):
        if served is None:
            found[i] = await call.broker.partitions.find(request.topic(i), request.index(i))
    answer = _append(call, request, found)
    return await answer if isinstance(answer, Coroutine) else answer


def _append(
    call: Call, request: ProduceRequest, found: list[Served | int | None]
) -> Parts | Pipelined | Coroutine[Any, Any, Parts | Pipelined]:
    if request.acks not in (-1, 0, 1):
        for i in range(len(request)):
            request.refuse(i, INVALID_REQUIRED_ACKS, f"acks={request.acks} is none of -1, 0, 1")
        return [request.response()]
    appended: list[tuple[int, Partition, int]] = []
    busy: list[tuple[int, Served]] = []
    late = call.broker.late_appends
    for i, served in enumerate(found):
        if isinstance(served, Served):
            end = BUSY
            if not late.waits_for(served.log):
                end = request.append(i, served.log, served.admission, wait_s=0)
            if end == BUSY:
                busy.append((i, served))
            elif end >= 0:
                appended.append((i, served.log, end))
        else:
            request.refuse(i, served or UNKNOWN_TOPIC_ID)
    if busy:
        return _append_late(call, request, appended, busy)
    return _settle(call, request, appended)


async def _append_late(
    call: Call,
    request: ProduceRequest,
    appended: list[tuple[int, Partition, int]],
    busy: list[tuple[int, Served]],
) -> Parts | Pipelined:
    """Those whose partition another process holds, or has to be looked through first."""
    call.broker.news.published([log for _, log, _ in appended])
    late = call.broker.late_appends

    def append(i: int, served: Served, wait_s: float) -> int:
        return request.append(i, served.log, served.admission, wait_s=wait_s)

    ends = await asyncio.gather(
        *(late.when_free(served.log, partial(append, i, served)) for i, served in busy)
    )
    appended += [(i, served.log, end) for (i, served), end in zip(busy, ends) if end >= 0]
    return _settle(call, request, appended)


def _settle(
    call: Call, request: ProduceRequest, appended: list[tuple[int, Partition, int]]
) -> Parts | Pipelined:
    """Tell those who wait for records, and answer, at once or when all is on disk."""
    call.broker.news.published([log for _, log, _ in appended])
    if request.acks == 0:
        if len(appended) < len(request):
            # As Kafka: the only way to tell a client that waits for no answer.
            call.connection.close("produce_failed", acks=0)
        return None
    if request.acks == 1 or not appended:
        return [request.response()]
    return Pipelined(asyncio.ensure_future(_on_disk(call, request, appended)))


async def _on_disk(
    call: Call, request: ProduceRequest, appended: list[tuple[int, Partition, int]]
) -> Parts:
    syncs = call.broker.syncs
    waits = [(i, syncs.wait(log, end)) for i, log, end in appended]
    for i, wait in waits:
        try:
            await wait
        except LogflumeError as error:
            request.refuse(i, error.code, str(error))
    return [request.response()]
