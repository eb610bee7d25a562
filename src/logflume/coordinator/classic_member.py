"""A member of a classic group: what it said when it joined, and the answers it waits for."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

from .group_errors import GroupError

__all__ = ["ClassicMember", "JoinAnswer", "JoinRequest", "JoinedMember", "SyncAnswer"]


class JoinedMember(NamedTuple):
    """A member as the leader is told of it."""

    member_id: str
    instance_id: str | None
    metadata: bytes


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """JoinGroup. Times in ms. `member_id` is "" for one that has none yet.

    `requires_id`: the client can be told to come back with an id (version 4 and later, KIP-394).
    `may_skip_assignment`: version 9 and later (KIP-814).
    """

    group: str
    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    protocols: tuple[tuple[str, bytes], ...]
    requires_id: bool = True
    may_skip_assignment: bool = True


@dataclass(frozen=True, slots=True)
class JoinAnswer:
    """The answer to JoinGroup; `members` for the leader only."""

    error: GroupError = GroupError.NONE
    generation: int = -1
    protocol_type: str | None = None
    protocol: str | None = None
    leader: str = ""
    member_id: str = ""
    members: tuple[JoinedMember, ...] = ()
    skip_assignment: bool = False


@dataclass(frozen=True, slots=True)
class SyncAnswer:
    """The answer to SyncGroup."""

    error: GroupError = GroupError.NONE
    protocol_type: str | None = None
    protocol: str | None = None
    assignment: bytes = b""


@dataclass(slots=True)
class ClassicMember:
    """One member. `join_reply` and `sync_reply` are there while it waits for that answer."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocols: tuple[tuple[str, bytes], ...]
    """Names in order of preference, with what the member says under each."""
    assignment: bytes = b""
    is_new: bool = False
    """It joins for the first time, and sends no heartbeats before it has its answer."""
    join_reply: Callable[[JoinAnswer], None] | None = None
    sync_reply: Callable[[SyncAnswer], None] | None = None

    @classmethod
    def of(cls, request: JoinRequest, member_id: str) -> ClassicMember:
        """As the request describes it."""
        return cls(
            member_id=member_id,
            instance_id=request.instance_id,
            client_id=request.client_id,
            client_host=request.client_host,
            session_timeout_ms=request.session_timeout_ms,
            rebalance_timeout_ms=request.rebalance_timeout_ms,
            protocols=request.protocols,
        )

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is owed: then silence is the coordinator's, not the member's."""
        return self.join_reply is not None or self.sync_reply is not None

    def metadata(self, protocol: str | None) -> bytes:
        """What the member says under a protocol; nothing where it does not know it."""
        return next((data for name, data in self.protocols if name == protocol), b"")

    def vote(self, candidates: Collection[str]) -> str:
        """The protocol it likes best among those that all members know."""
        return next(name for name, _ in self.protocols if name in candidates)

    def answer_join(self, answer: JoinAnswer) -> None:
        """Give the answer it waits for, if it does."""
        reply, self.join_reply = self.join_reply, None
        if reply is not None:
            reply(answer)

    def answer_sync(self, answer: SyncAnswer) -> None:
        """Give the answer it waits for, if it does."""
        reply, self.sync_reply = self.sync_reply, None
        if reply is not None:
            reply(answer)
