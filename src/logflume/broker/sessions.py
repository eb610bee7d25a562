"""Fetch sessions (KIP-227): clients name their partitions once, and then only what changes."""

from __future__ import annotations

import random
from collections import OrderedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume._native.fetch import FetchPart, FetchRequest
    from logflume.broker.server import Broker

__all__ = ["SESSIONLESS", "Session", "Sessions"]

SESSION_NOT_FOUND = 70
INVALID_SESSION_EPOCH = 71
_NEW = 0
SESSIONLESS = -1
_INT_MAX = (1 << 31) - 1

_Key = tuple["str | bytes", int]


class Session:
    """The partitions of one client, in the order in which it named them. `epoch`: of the request that comes next."""

    __slots__ = ("by_id", "epoch", "id", "last_used", "parts", "turn")

    def __init__(self, number: int, *, by_id: bool, now: float) -> None:
        self.id = number
        self.epoch = 1
        self.by_id = by_id
        self.parts: dict[_Key, FetchPart] = {}
        self.last_used = now
        self.turn = 0
        """With which partition the next reading begins: none is starved by those before it."""


class Sessions:
    """All sessions of a broker: as many as the option allows; beyond, the one unused for longest makes room.

    Belongs to the broker's event loop.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._slots: int = broker.config.max_incremental_fetch_session_cache_slots
        # Kafka's rule, too: a session in use is not evicted.
        self._evict_after_s = 120.0
        self._sessions: OrderedDict[int, Session] = OrderedDict()
        self._random = random.Random()

    def __len__(self) -> int:
        return len(self._sessions)

    def take(self, request: FetchRequest) -> tuple[int, Session | None, bool]:
        """(error code, session or None, whether the answer names only what changed) for a request."""
        if request.session_epoch in (_NEW, SESSIONLESS):
            if request.session_id:
                self._sessions.pop(request.session_id, None)
            if request.session_epoch == SESSIONLESS:
                return 0, None, False
            return 0, self._begin(request), False
        session = self._sessions.get(request.session_id)
        by_id = request.version >= 13
        if session is None or session.by_id != by_id:
            return SESSION_NOT_FOUND, None, False
        if session.epoch != request.session_epoch:
            return INVALID_SESSION_EPOCH, None, False
        self._next(session)
        self._update(session, request)
        return 0, session, True

    def go_on(self, session: Session, request: FetchRequest) -> bool:
        """Take a request that repeats the session's last one; False: it is not its turn."""
        if session.epoch != request.session_epoch or self._sessions.get(session.id) is not session:
            return False
        self._next(session)
        return True

    def _next(self, session: Session) -> None:
        session.epoch = 1 if session.epoch == _INT_MAX else session.epoch + 1
        session.last_used = self._broker.clock.monotonic()
        self._sessions.move_to_end(session.id)

    def _begin(self, request: FetchRequest) -> Session | None:
        """A new session; None when all are in use, and the client has to name everything each time."""
        now = self._broker.clock.monotonic()
        if not request.parts:
            return None
        if len(self._sessions) >= self._slots:
            oldest = next(iter(self._sessions.values()), None)
            if oldest is None or now - oldest.last_used < self._evict_after_s:
                return None
            del self._sessions[oldest.id]
        number = 0
        while number == 0 or number in self._sessions:
            number = self._random.randint(1, _INT_MAX)
        session = Session(number, by_id=request.version >= 13, now=now)
        session.parts = {part.key: part for part in request.parts}
        self._sessions[number] = session
        return session

    def _update(self, session: Session, request: FetchRequest) -> None:
        for key in request.forgotten:
            session.parts.pop(key, None)
        for part in request.parts:
            known = session.parts.get(part.key)
            if known is None:
                session.parts[part.key] = part
            else:
                known.take(part)
