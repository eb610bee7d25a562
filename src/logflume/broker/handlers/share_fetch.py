"""ShareFetch: v1-2 (KIP-932). Records for a member to work off, by long polls; what it says of those it has.

v2: an exact number of records (KIP-1206), more time for some (KIP-1222). A session belongs to the connection that
began it, and ends with it. Differs from Kafka: any record is enough for an answer, whatever MinBytes says; stretches of
acquired records are cut at BatchSize, not at batches; markers and what was aborted are never acquired.
"""

from __future__ import annotations

import asyncio

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.messages import milliseconds
from logflume.broker.news import Wait
from logflume.broker.partitions import UNKNOWN_TOPIC_ID
from logflume.broker.refusals import TopicForbidden
from logflume.broker.security.acl import Operation
from logflume.broker.security.quotas import CONSUMER
from logflume.broker.share_answers import acknowledge_all, key_of
from logflume.broker.share_groups import ShareService
from logflume.broker.share_reads import ShareReads
from logflume.broker.share_response import SharedPart, share_fetch_response
from logflume.broker.share_sessions import FINAL, INITIAL, INVALID_REQUEST, ShareRefused
from logflume.config.kinds import INT_MAX
from logflume.coordinator.group_errors import GroupRefused
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer
    from logflume.broker.share_sessions import ShareSession
    from logflume.coordinator.share import SharePartition

    Key = tuple[bytes, int]

__all__ = ["share_fetch"]

RECORD_LIMIT = 1


@handles(ApiKey.SHARE_FETCH, versions="1-2", cancellable=True)
async def share_fetch(call: Call, request: Any) -> Answer:
    """Settle what is said of records, then take some, or wait for them."""
    try:
        call.check_group(Operation.READ, request.group_id or "")
        session = _session(call, request)
    except GroupRefused as refused:
        return share_fetch_response(call.correlation_id, {}, error=refused.error)
    except ShareRefused as refusal:
        return share_fetch_response(call.correlation_id, {}, error=refusal.code)
    return await _ShareFetch(call, request, session).answer()


def _session(call: Call, request: Any) -> ShareSession:
    """The session, with its partitions as they are from now on. Raises ShareRefused."""
    sessions = call.broker.service(ShareService).sessions
    group, member_id, epoch = request.group_id, request.member_id, request.share_session_epoch
    if not group or not member_id or epoch < FINAL:
        raise ShareRefused(INVALID_REQUEST)
    if epoch == INITIAL:
        if any(part.acknowledgement_batches for t in request.topics for part in t.partitions):
            raise ShareRefused(INVALID_REQUEST)
        session = sessions.begin(group, member_id, call.connection)
    else:
        session = sessions.go_on(group, member_id, epoch)
    for topic in request.topics:
        for part in topic.partitions:
            session.parts[key_of(topic, part.partition_index)] = None
    for topic in request.forgotten_topics_data:
        for index in topic.partitions:
            session.parts.pop(key_of(topic, index), None)
    return session


class _ShareFetch:
    """One request until its answer."""

    def __init__(self, call: Call, request: Any, session: ShareSession) -> None:
        self._call = call
        self._broker = call.broker
        self._request = request
        self._session = session
        self._service = call.broker.service(ShareService)
        self._group = self._service.group(session.group)
        self._renews = getattr(request, "is_renew_ack", False)
        self._exact = getattr(request, "share_acquire_mode", 0) == RECORD_LIMIT
        self._found: dict[Key, SharedPart] = {}
        self._parts: list[tuple[Key, SharePartition]] = []
        self._ends: list[tuple[int, int]] = []

    async def answer(self) -> Answer:
        """The whole response."""
        request, session = self._request, self._session
        codes = await acknowledge_all(
            self._call, self._group, session.member_id, request.topics, renews=self._renews
        )
        if request.share_session_epoch == FINAL:
            await self._service.end(session)
        elif not self._renews and request.max_records > 0:
            await self._find()
            await self._fetch()
        for key, code in codes.items():
            self._found[key] = self._found.get(key, SharedPart())._replace(acknowledge_error=code)
        return share_fetch_response(
            self._call.correlation_id,
            self._found,
            throttle_ms=self._call.throttle_ms(
                CONSUMER, sum(part.size for part in self._found.values())
            ),
            lock_ms=self._group.settings.lock_duration_ms,
            batch_size=request.batch_size,
        )

    async def _find(self) -> None:
        """Have the session's partitions open; those that cannot be read have an error."""
        for key in self._session.in_turn():
            name = self._broker.partitions.name_of(key[0])
            if name is None:
                self._found[key] = SharedPart(error=UNKNOWN_TOPIC_ID)
                continue
            if not self._call.may_topic(Operation.READ, name):
                self._found[key] = SharedPart(error=TopicForbidden.code)
                continue
            try:
                part = await self._group.part(name, key[1])
                await self._group.step(lambda part=part: part.join(self._session.member_id))  # type: ignore[misc]
            except LogflumeError as error:
                self._failed(key, error)
            else:
                self._parts.append((key, part))

    def _failed(self, key: Key, error: LogflumeError) -> None:
        self._found[key] = SharedPart(error=error.code)
        if error.code < 0:
            self._broker.report(error, topic=key[0].hex(), partition=key[1])

    # ---- reading

    async def _fetch(self) -> None:
        """Take what there is; wait for it as long as the client wants to."""
        loop = self._broker.loop
        until = loop.time() + milliseconds(self._request.max_wait) / 1000
        while True:
            await self._acquire()
            left_s = until - loop.time()
            if self._found or not self._parts or left_s <= 0:
                return
            await self._wait(left_s)

    async def _acquire(self) -> None:
        self._ends = [(part.log.end_offset, part.log.last_stable_offset) for _, part in self._parts]
        records = self._request.max_records
        size = min(self._request.max_bytes, self._broker.config.fetch_max_bytes)
        for key, part in self._parts:
            if records <= 0 or size <= 0:
                return
            if not self._group.may_have(part):
                continue
            reads = ShareReads(
                part.log,
                max_records=records,
                max_bytes=size,
                exact=self._exact,
                committed=self._group.settings.read_committed,
            )
            limit = records if self._exact else INT_MAX
            try:
                acquired = await self._group.step(
                    lambda part=part, reads=reads, limit=limit: part.acquire(  # type: ignore[misc]
                        self._session.member_id, limit, reads.read
                    )
                )
            except LogflumeError as error:
                self._failed(key, error)
                continue
            if acquired:
                found = SharedPart(batches=reads.batches(acquired), acquired=acquired)
                self._found[key] = found
                records -= sum(one.last - one.first + 1 for one in acquired)
                size -= found.size

    async def _wait(self, seconds: float) -> None:
        """Until there is something new, or so long."""
        told: asyncio.Future[None] = self._broker.loop.create_future()

        def tell() -> None:
            if not told.done():
                told.set_result(None)

        wait = Wait(tell)
        ends = zip(self._parts, self._ends, strict=True)
        self._broker.news.add(wait, [(part.log, *end) for (_, part), end in ends])
        self._group.wait(tell)
        try:
            await asyncio.wait_for(told, seconds)
        except TimeoutError:
            pass
        finally:
            self._broker.news.remove(wait)
            self._group.waits.pop(tell, None)
