"""Produce: v3-13. Batches are checked, appended, and with acks=all on disk when the answer leaves.

v5: log start offset. v8: messages of errors. v9: flexible. v10: other leaders (there are none). v11: error 120
(TRANSACTION_ABORTABLE). v12: transactions of version 2: the first batch for a partition makes it part of its
transaction. v13: topics by id. A batch of a transaction is taken when its partition is part of it (KIP-890), and
answered before it is on disk: the commit is what makes it durable. Versions 0-2 are advertised, because librdkafka
concludes from their absence that there are no codecs, and answered as Kafka answers them: by closing the connection.
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
from logflume.broker.refusals import TopicForbidden, TransactionalIdForbidden
from logflume.broker.security.acl import Operation, Resource
from logflume.broker.security.quotas import PRODUCER
from logflume.broker.transactions import TransactionService, error_of_write
from logflume.coordinator.transactions.client_errors import TransactionError, TransactionRefused
from logflume.coordinator.transactions.clients import TransactionalClient
from logflume.errors import LogflumeError
from logflume.types import TopicPartition

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
ABORTABLE_FROM, JOINS_FROM = 11, 12


@handles(ApiKey.PRODUCE, versions="3-13", advertised_from=0, raw=True)
def produce(call: Call, frame: Frame) -> Parts | Pipelined | Awaitable[Parts | Pipelined]:
    """Append in the order of the requests; only the waiting for the disk overlaps."""
    request = ProduceRequest(frame)
    request.throttle_ms = call.throttle_ms(PRODUCER, len(frame))
    found: list[Served | int | None] = []
    partitions = call.broker.partitions
    guarded = call.broker.authorizer is not None
    if guarded and _forbidden_transaction(call, request):
        found = [TransactionalIdForbidden.code] * len(request)
        return _append(call, request, found)
    for i in range(len(request)):
        name = partitions.name_of(request.topic(i))
        if name is None:
            found.append(UNKNOWN_TOPIC_ID)
        elif guarded and not call.may_topic(Operation.WRITE, name):
            found.append(TopicForbidden.code)
        else:
            found.append(partitions.ready(name, request.index(i)))
    if None in found:
        return _open_then_append(call, request, found)
    if request.in_transaction and not _all_taken(call, request, found):
        return _join_then_append(call, request, found)
    return _append(call, request, found)


def _forbidden_transaction(call: Call, request: ProduceRequest) -> bool:
    name = request.transactional_id
    return name is not None and not call.may(Operation.WRITE, Resource.TRANSACTIONAL_ID, name)


async def _open_then_append(
    call: Call, request: ProduceRequest, found: list[Served | int | None]
) -> Parts | Pipelined:
    for i, served in enumerate(found):
        if served is None:
            found[i] = await call.broker.partitions.find(request.topic(i), request.index(i))
    if request.in_transaction and not _all_taken(call, request, found):
        return await _join_then_append(call, request, found)
    answer = _append(call, request, found)
    return await answer if isinstance(answer, Coroutine) else answer


def _not_taken(
    call: Call, request: ProduceRequest, found: list[Served | int | None]
) -> dict[TransactionalClient, dict[int, TopicPartition]]:
    """By transaction: batches whose partitions are not known to be part of it."""
    transactions = call.broker.service(TransactionService)
    missing: dict[TransactionalClient, dict[int, TopicPartition]] = {}
    for i, served in enumerate(found):
        producer = request.producer(i) if isinstance(served, Served) else None
        if producer is None:
            continue
        assert isinstance(served, Served)
        who = TransactionalClient(request.transactional_id or "", *producer)
        place = _place(served)
        if not transactions.takes(who, place):
            missing.setdefault(who, {})[i] = place
    return missing


def _place(served: Served) -> TopicPartition:
    return TopicPartition(served.log.topic, served.log.partition)


def _all_taken(call: Call, request: ProduceRequest, found: list[Served | int | None]) -> bool:
    return not _not_taken(call, request, found)


async def _join_then_append(
    call: Call, request: ProduceRequest, found: list[Served | int | None]
) -> Parts | Pipelined:
    transactions = call.broker.service(TransactionService)
    joins = call.version >= JOINS_FROM
    for who, places in _not_taken(call, request, found).items():
        try:
            await (transactions.join if joins else transactions.check)(who, places.values())
        except TransactionRefused as refused:
            code = error_of_write(
                refused, knows_abortable=call.version >= ABORTABLE_FROM, raises=joins
            )
            found = [code if i in places else served for i, served in enumerate(found)]
    # What was ended while others of the request were asked about is not begun anew by its batch.
    for places in _not_taken(call, request, found).values():
        ended = int(TransactionError.INVALID_TXN_STATE)
        found = [ended if i in places else served for i, served in enumerate(found)]
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

    async def when_free(i: int, served: Served) -> int:
        producer = request.producer(i)
        if producer is None:
            return await late.when_free(served.log, partial(append, i, served))
        # Its transaction is not ended meanwhile: a batch behind the marker would begin another.
        who = TransactionalClient(request.transactional_id or "", *producer)
        transactions = call.broker.service(TransactionService)
        async with transactions.turn(who.transactional_id):
            if transactions.takes(who, _place(served)):
                return await late.when_free(served.log, partial(append, i, served))
        request.refuse(i, TransactionError.INVALID_TXN_STATE)
        return -1

    ends = await asyncio.gather(*(when_free(i, served) for i, served in busy))
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
    # What is part of a transaction is made durable by its commit.
    waiting = appended
    if request.in_transaction:
        waiting = [one for one in appended if request.producer(one[0]) is None]
    if request.acks == 1 or not waiting:
        return [request.response()]
    request.drop_frame()  # what waits for the disk holds no memory of its own meanwhile
    return Pipelined(asyncio.ensure_future(_on_disk(call, request, waiting)))


async def _on_disk(
    call: Call, request: ProduceRequest, waiting: list[tuple[int, Partition, int]]
) -> Parts:
    syncs = call.broker.syncs
    waits = [(i, syncs.wait(log, end)) for i, log, end in waiting]
    for i, wait in waits:
        try:
            await wait
        except LogflumeError as error:
            request.refuse(i, error.code, str(error))
    return [request.response()]
