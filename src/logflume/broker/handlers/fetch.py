"""Fetch: v4-18. Records as they lie in the segments, by long polls and incremental sessions.

v5: log start offset. v7: sessions (KIP-227). v9: the client's leader epoch. v11: rack. v12: flexible. v13: topics
by id. v15-18: fields of followers, read and left alone.
Differs from Kafka: batches are cut off whole at the limit, never in their middle; a client that says it is a
replica is served as a consumer.
"""

from __future__ import annotations

from logflume._native.fetch import FetchRequest, fetch_response, read_parts
from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import Later, handles
from logflume.broker.news import Wait
from logflume.broker.partitions import Served
from logflume.broker.refusals import TopicForbidden
from logflume.broker.security.acl import Operation
from logflume.broker.security.quotas import CONSUMER
from logflume.broker.sessions import SESSIONLESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable

    from logflume._native.fetch import FetchPart
    from logflume._native.frames import Frame
    from logflume.broker.call import Call
    from logflume.broker.dispatch import Parts
    from logflume.broker.sessions import Session

__all__ = ["fetch"]

_PUBLISHING_S = 0.002  # for a commit to be published in all its partitions


@handles(ApiKey.FETCH, versions="4-18", raw=True, cancellable=True)
def fetch(call: Call, frame: Frame) -> Parts | Later | Awaitable[Parts]:
    """Answer with what there is, or wait for more."""
    request = FetchRequest(frame)
    error, session, incremental = call.broker.sessions.take(request)
    if error:
        return fetch_response(request.version, request.correlation_id, error, 0, [], False)
    parts = list(session.parts.values()) if session is not None else request.parts
    under_way = _Fetch(call, request, session, parts, incremental=incremental)
    if under_way.all_found() and under_way.sees_commits_whole():
        return under_way.start()
    return under_way.open_then_start()


class _Fetch(Later):
    """One request until its answer; and the next ones, as long as they ask for the same and there is nothing new.

    A consumer at the end of its partitions sends the same bytes again and again, twice a second by default.
    """

    def __init__(
        self,
        call: Call,
        request: FetchRequest,
        session: Session | None,
        parts: list[FetchPart],
        *,
        incremental: bool,
    ) -> None:
        self._call = call
        self._broker = call.broker
        self._request = request
        self._session = session
        self._parts = parts
        self._incremental = incremental
        self._committed = request.isolation_level == 1
        self._unsettled = False
        self._limit = min(request.max_bytes, call.broker.config.fetch_max_bytes)
        quota = call.broker.quotas.bucket(CONSUMER, call.connection.principal, call.client_id)
        if quota is not None:  # no more at a time than may be saved up
            self._limit = min(self._limit, int(quota.size) + 1)
        self._plain = quota is None and call.broker.authorizer is None
        self._wait = Wait(self._news)
        self._waiting = False
        self._ends = 0  # when the waiting does, for `Deadlines`
        self._listening = False  # also until the same is asked again
        self._bytes = 0

    # ---- partitions

    def all_found(self) -> bool:
        """Give every part its partition; False when one has to be opened first."""
        found = True
        misled = self._broker.faults.misleads
        guarded = self._broker.authorizer is not None
        for part in self._parts:
            if guarded and not self._may_read(part):
                part.log, part.error = None, TopicForbidden.code
                continue
            log = part.log
            if log is None or log.closed or log.gone or misled:
                found &= self._find(part)
        return found

    def _may_read(self, part: FetchPart) -> bool:
        name = self._broker.partitions.name_of(part.topic)
        return name is None or self._call.may_topic(Operation.READ, name)

    def _find(self, part: FetchPart) -> bool:
        self._stop_listening()
        part.log, part.error = None, 0
        name = self._broker.partitions.name_of(part.topic)
        served = None if name is None else self._broker.partitions.ready(name, part.index)
        if served is not None:
            part.log, part.leader_epoch = served.log, served.leader_epoch
        return served is not None

    def sees_commits_whole(self) -> bool:
        """Whether the page of transactions is at hand for one who reads committed records."""
        return not self._committed or self._broker.undecided.is_ready

    async def open_then_start(self) -> Parts:
        """The same where the disk may have to be asked."""
        if not self.sees_commits_whole():
            await self._broker.undecided.make_ready()
        for part in self._parts:
            if part.log is None and part.error != TopicForbidden.code:
                served = await self._broker.partitions.find(part.topic, part.index)
                if isinstance(served, Served):
                    part.log, part.leader_epoch = served.log, served.leader_epoch
                else:
                    part.error = served
        answer = self.start()
        return await self.as_future(self._broker.loop) if isinstance(answer, Later) else answer

    # ---- the next one

    def again(self, frame: Frame) -> Parts | Later:
        """Serve a frame that asks for the same; None: it does not, or there is more to look at than offsets."""
        broker, session = self._broker, self._session
        if self._waiting or not self._plain or not self._request.repeat(frame):
            return None
        if broker.quotas.any or not self._call.connection.is_known:
            return None
        if session is None:
            if self._request.session_epoch != SESSIONLESS:
                return None
        elif not self._incremental or not broker.sessions.go_on(session, self._request):
            return None
        else:
            parts = list(session.parts.values())
            if parts != self._parts:
                self._stop_listening()
                self._parts = parts
        return self.start() if self.all_found() and self.sees_commits_whole() else None

    # ---- reading

    def start(self) -> Parts | Later:
        """The answer, or this, which will have it."""
        if self._enough() or self._request.max_wait_ms <= 0 or not self._parts:
            self._stop_listening()
            return self._answer()
        self._waiting = True
        self._ends = self._broker.deadlines.add(self._request.max_wait_ms, self)
        if not self._listening or self._unsettled:
            self._listen()
        return self

    def _enough(self) -> bool:
        turn = self._session.turn if self._session is not None else 0
        page = self._broker.undecided.page if self._committed else None
        self._bytes, failed, self._unsettled = read_parts(
            self._parts, self._limit, self._committed, turn, page
        )
        return failed or self._bytes >= self._request.min_bytes

    def _listen(self) -> None:
        self._stop_listening()
        self._listening = True
        logs = [
            (part.log, part.end_offset, part.stable_offset)
            for part in self._parts
            if part.log is not None
        ]
        self._broker.news.add(self._wait, logs)
        if self._unsettled:
            # A commit is being published this moment: partitions in which it is will not tell of it again.
            self._broker.loop.call_later(_PUBLISHING_S, self._news)

    def _stop_listening(self) -> None:
        if self._listening:
            self._listening = False
            self._broker.news.remove(self._wait)

    def _news(self) -> None:
        if not self._waiting:
            self._stop_listening()
        elif self._enough():
            self.cancel()
            self.taker(self._answer())
        else:
            self._listen()

    def time_over(self) -> None:
        """Answer with what there is. It goes on listening: most clients ask for the same at once."""
        if self._waiting:
            self._waiting = False
            self.taker(self._answer())

    def cancel(self) -> None:
        """The client may go away meanwhile, or ask for something else."""
        self._stop_listening()
        if self._waiting:
            self._waiting = False
            self._broker.deadlines.remove(self._ends, self)

    def _answer(self) -> Parts:
        session = self._session
        if session is not None and self._parts:
            session.turn = (session.turn + 1) % len(self._parts)
        throttle_ms = self._call.throttle_ms(CONSUMER, self._bytes)
        for part in self._parts:
            if part.failure is not None:
                self._broker.report(part.failure, topic=part.topic, partition=part.index)
                part.failure = None
        return fetch_response(
            self._request.version,
            self._request.correlation_id,
            0,
            session.id if session is not None else 0,
            self._parts,
            self._incremental,
            throttle_ms,
        )
