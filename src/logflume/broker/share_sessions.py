"""Share sessions (KIP-932): which partitions a member of a share group fetches, told once, then only what changes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from logflume.broker.connection import Connection

    Key = tuple[bytes, int]

__all__ = ["FINAL", "INITIAL", "ShareRefused", "ShareSession", "ShareSessions"]

INITIAL, FINAL = 0, -1
"""Epochs of the request that begins a session, and of the one that ends it."""

INVALID_REQUEST = 42
SHARE_SESSION_NOT_FOUND = 122
INVALID_SHARE_SESSION_EPOCH = 123
SHARE_SESSION_LIMIT_REACHED = 133
_INT_MAX = (1 << 31) - 1


class ShareRefused(Exception):
    """The answer to the whole request is an error: Kafka's code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"error {code}")
        self.code = code


class ShareSession:
    """Of one member of a group. `epoch`: of the request that comes next; `parts`: (topic id, partition) in order."""

    __slots__ = ("connection", "epoch", "group", "member_id", "parts")

    def __init__(self, group: str, member_id: str, connection: Connection) -> None:
        self.group = group
        self.member_id = member_id
        self.connection = connection
        self.epoch = 1
        self.parts: dict[Key, None] = {}

    def in_turn(self) -> list[Key]:
        """Its partitions; each request begins with another one, so that none is starved."""
        keys = list(self.parts)
        at = self.epoch % len(keys) if keys else 0
        return keys[at:] + keys[:at]


class ShareSessions:
    """All of a broker. Belongs to its event loop."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sessions: dict[tuple[str, str], ShareSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, group: str, member_id: str, connection: Connection) -> ShareSession:
        """A new one, in place of what the member had. Raises ShareRefused."""
        self._sessions.pop((group, member_id), None)
        if len(self._sessions) >= self._limit:
            raise ShareRefused(SHARE_SESSION_LIMIT_REACHED)
        session = ShareSession(group, member_id, connection)
        self._sessions[group, member_id] = session
        return session

    def go_on(self, group: str, member_id: str, epoch: int) -> ShareSession:
        """The one of a later request; its last one ends nothing yet. Raises ShareRefused."""
        session = self._sessions.get((group, member_id))
        if session is None:
            raise ShareRefused(SHARE_SESSION_NOT_FOUND)
        if epoch != FINAL:
            if session.epoch != epoch:
                raise ShareRefused(INVALID_SHARE_SESSION_EPOCH)
            session.epoch = 1 if epoch == _INT_MAX else epoch + 1
        return session

    def end(self, session: ShareSession) -> bool:
        """Forget it; False when it is another one by now."""
        key = (session.group, session.member_id)
        if self._sessions.get(key) is not session:
            return False
        del self._sessions[key]
        return True

    def of_group(self, group: str) -> list[str]:
        """The members of a group that have one."""
        return [member_id for name, member_id in self._sessions if name == group]

    def of_connection(self, connection: Connection) -> Iterable[ShareSession]:
        """Those that a client has that is gone."""
        return [one for one in self._sessions.values() if one.connection is connection]
