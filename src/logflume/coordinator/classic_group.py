"""A classic group: its members, generation and protocol. What happens when is in `classic_rebalance`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .classic_member import ClassicMember, JoinedMember
from .group_errors import GroupError, GroupRefused
from .group_records import (  # fmt: skip
    CLASSIC_GROUP,
    ClassicMemberRecord,
    ClassicMetadata,
    Record,
    encode_classic,
    encode_group_key,
)

__all__ = [
    "COMPLETING",
    "EMPTY",
    "PREPARING",
    "STABLE",
    "ClassicGroup",
]

EMPTY = "Empty"
"""No members; perhaps committed offsets."""
PREPARING = "PreparingRebalance"
"""Waiting for all members to join."""
COMPLETING = "CompletingRebalance"
"""Waiting for the leader's assignment."""
STABLE = "Stable"
"""Every member has its assignment."""


class ClassicGroup:
    """State without time or log. Not thread-safe."""

    kind = "classic"

    def __init__(self, group: str) -> None:
        self.group = group
        self.state = EMPTY
        self.state_since_ms = -1
        self.generation = 0
        self.protocol_type: str | None = None
        self.protocol: str | None = None
        self.leader: str | None = None
        self.members: dict[str, ClassicMember] = {}
        self.static: dict[str, str] = {}
        """Instance id to member id."""
        self.pending: set[str] = set()
        """Ids that were given out (KIP-394) to clients that have not come back yet."""
        self.unsynced: set[str] = set()
        """Members of this generation that have not asked for their assignment yet."""
        self.was_empty = False
        """The rebalance under way is the first one: it waits for more members than ask for it."""
        self.has_newcomer = False
        """Somebody joined since the first rebalance last looked."""

    @property
    def is_empty(self) -> bool:
        return not self.members

    @property
    def is_stored(self) -> bool:
        """Whether the log knows of it."""
        return self.generation > 0

    # Members

    def put(self, member: ClassicMember) -> None:
        """Let a member in, or take over what it says now."""
        if not self.members:
            self.leader = None
        self.members[member.member_id] = member
        if member.instance_id is not None:
            self.static[member.instance_id] = member.member_id
        self.pending.discard(member.member_id)
        if self.leader is None:
            self.leader = member.member_id

    def remove(self, member_id: str) -> ClassicMember | None:
        """Take a member out. What it waits for, the caller answers."""
        self.pending.discard(member_id)
        self.unsynced.discard(member_id)
        member = self.members.pop(member_id, None)
        if member is None:
            return None
        if member.instance_id is not None and self.static.get(member.instance_id) == member_id:
            del self.static[member.instance_id]
        if self.leader == member_id:
            self.leader = next(iter(self.members), None)
        return member

    def rename_static(self, old_id: str, new_id: str) -> ClassicMember:
        """A static member came back: the same member under a new id."""
        old = self.members.pop(old_id)
        new = replace(old, member_id=new_id, join_reply=None, sync_reply=None)
        self.members[new_id] = new
        assert new.instance_id is not None
        self.static[new.instance_id] = new_id
        self.unsynced.discard(old_id)
        if self.leader == old_id:
            self.leader = new_id
        return new

    def check_member(self, member_id: str, instance_id: str | None) -> ClassicMember:
        """The member. Raises GroupRefused: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID."""
        if instance_id is not None:
            current = self.static.get(instance_id)
            if current is None:
                raise GroupRefused(GroupError.UNKNOWN_MEMBER_ID, member_id=member_id)
            if current != member_id:
                raise GroupRefused(GroupError.FENCED_INSTANCE_ID, member_id=member_id)
        member = self.members.get(member_id)
        if member is None:
            raise GroupRefused(GroupError.UNKNOWN_MEMBER_ID, member_id=member_id)
        return member

    def awaited(self) -> list[ClassicMember]:
        """Members that have not joined the rebalance under way yet."""
        return [member for member in self.members.values() if member.join_reply is None]

    @property
    def all_joined(self) -> bool:
        """Whether nobody is missing: no member, and no client with an id that was given out."""
        return not self.pending and not self.awaited()

    @property
    def rebalance_timeout_ms(self) -> int:
        """How long the slowest member may take to join."""
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    # Protocols

    def supports(self, protocol_type: str, names: Iterable[str]) -> bool:
        """Whether a member with these protocols shares one with all others."""
        wanted = set(names)
        if not wanted or not protocol_type:
            return False
        if not self.members:
            return True
        return protocol_type == self.protocol_type and not wanted.isdisjoint(self.candidates())

    def candidates(self) -> set[str]:
        """Protocols that all members know."""
        lists = [{name for name, _ in member.protocols} for member in self.members.values()]
        return set.intersection(*lists) if lists else set()

    def choose_protocol(self) -> str:
        """The protocol with the most votes; of equals the one that comes first in the alphabet."""
        candidates = self.candidates()
        votes = dict.fromkeys(sorted(candidates), 0)
        for member in self.members.values():
            votes[member.vote(candidates)] += 1
        return max(votes, key=lambda name: votes[name])

    def next_generation(self) -> None:
        """Begin a generation with the members there are."""
        self.generation += 1
        self.unsynced.clear()
        if self.members:
            self.protocol = self.choose_protocol()
        else:
            self.protocol = self.leader = None

    def elect_joined_leader(self) -> bool:
        """Make sure that the leader is one who joined; False when nobody did."""
        leader = self.members.get(self.leader or "")
        if leader is not None and leader.join_reply is not None:
            return True
        joined = next((m for m in self.members.values() if m.join_reply is not None), None)
        if joined is not None:
            self.leader = joined.member_id
        return joined is not None

    def joined_members(self) -> tuple[JoinedMember, ...]:
        """All members, as their leader is told of them."""
        return tuple(
            JoinedMember(m.member_id, m.instance_id, m.metadata(self.protocol))
            for m in self.members.values()
        )

    # Records

    def record(self) -> Record:
        """The group as it is."""
        members = tuple(
            ClassicMemberRecord(
                m.member_id,
                m.instance_id,
                m.client_id,
                m.client_host,
                m.rebalance_timeout_ms,
                m.session_timeout_ms,
                m.metadata(self.protocol),
                m.assignment,
            )
            for m in self.members.values()
        )
        value = ClassicMetadata(
            self.protocol_type or "",
            self.generation,
            self.protocol,
            self.leader,
            self.state_since_ms,
            members,
        )
        return encode_group_key(CLASSIC_GROUP, self.group), encode_classic(value)

    def tombstones(self) -> list[Record]:
        """The group is no more."""
        return [(encode_group_key(CLASSIC_GROUP, self.group), None)]

    @classmethod
    def from_record(cls, group: str, value: ClassicMetadata) -> ClassicGroup:
        """The group as a record tells: stable, or empty."""
        found = cls(group)
        found.protocol_type = value.protocol_type or None
        found.generation = value.generation
        found.protocol = value.protocol
        for row in value.members:
            member = ClassicMember(
                row.member_id,
                row.instance_id,
                row.client_id,
                row.client_host,
                row.session_timeout_ms,
                row.rebalance_timeout_ms,
                ((value.protocol or "", row.subscription),),
                row.assignment,
            )
            found.put(member)
        if value.leader in found.members:
            found.leader = value.leader
        found.state = STABLE if found.members else EMPTY
        found.state_since_ms = value.state_since_ms
        return found
