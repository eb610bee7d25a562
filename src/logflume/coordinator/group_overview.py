"""All groups of a directory, as operators ask for them: of a broker's clients, of embedded members, of nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from logflume.types import TopicPartition

from .classic_group import EMPTY, STABLE, ClassicGroup
from .consumer_group import ConsumerGroup
from .consumer_protocol import (
    CONSUMER_PROTOCOL,
    decode_topics,
    encode_assignment,
    encode_subscription,
)
from .consumer_requests import ConsumerRequests
from .epoch_requests import EpochRequests
from .group_coordinator import GroupCoordinator, check_id
from .group_description import RECONCILING, GroupDescription
from .group_errors import GroupError, GroupRefused
from .group_files import GroupListing
from .share_group import ShareGroup

__all__ = ["ClassicDescription", "GroupOverview", "ListedGroup", "MemberRow"]

CLASSIC, CONSUMER, SHARE = "classic", "consumer", "share"


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """A row of ListGroups."""

    group: str
    kind: str
    protocol_type: str
    state: str


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member of a classic group, as DescribeGroups tells of it."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    metadata: bytes
    assignment: bytes


@dataclass(frozen=True, slots=True)
class ClassicDescription:
    """A group of the classic protocol, or of embedded members, which look like one."""

    group: str
    state: str
    protocol_type: str
    protocol: str
    members: tuple[MemberRow, ...] = ()


class GroupOverview:
    """Looks only. Not thread-safe, as the coordinator is not."""

    def __init__(self, coordinator: GroupCoordinator) -> None:
        self._coordinator = coordinator

    def groups(
        self,
        with_offsets: Iterable[str],
        embedded: Iterable[GroupListing],
        shared: Mapping[str, bool],
    ) -> list[ListedGroup]:
        """All groups, sorted.

        `with_offsets` committed; `embedded` have a file; `shared` have a state, and embedded members or none.
        """
        found = {name: ListedGroup(name, CLASSIC, "", EMPTY) for name in with_offsets}
        for listing in embedded:
            if listing.fault is None:
                state = STABLE if listing.state == RECONCILING else listing.state
                found[listing.group] = ListedGroup(listing.group, CLASSIC, CONSUMER_PROTOCOL, state)
        for name, lives in shared.items():
            found[name] = ListedGroup(name, SHARE, SHARE, STABLE if lives else EMPTY)
        for name, machine in self._coordinator.machines.items():
            group = machine.group
            if isinstance(group, ConsumerGroup):
                found[name] = ListedGroup(name, CONSUMER, CONSUMER_PROTOCOL, group.state)
            elif group.is_empty and found.get(name, _NOBODY).state != EMPTY:
                continue  # its members are embedded
            elif isinstance(group, ShareGroup):
                found[name] = ListedGroup(name, SHARE, SHARE, group.state)
            else:
                found[name] = ListedGroup(name, CLASSIC, group.protocol_type or "", group.state)
        return [found[name] for name in sorted(found)]

    def describe(self, group: str, embedded: GroupDescription | None) -> ClassicDescription:
        """A classic group. Raises GroupRefused: GROUP_ID_NOT_FOUND, INVALID_GROUP_ID."""
        check_id(group)
        machine = self._coordinator.machines.get(group)
        if isinstance(machine, EpochRequests):
            message = f"Group {group} is not a classic group."
            raise GroupRefused(GroupError.GROUP_ID_NOT_FOUND, message)
        if machine is not None and not machine.group.is_empty:
            return _classic(machine.group)
        if embedded is not None and embedded.members:
            return _embedded(embedded)
        if machine is not None:
            return _classic(machine.group)
        if embedded is None and not self._coordinator.store(group).offsets(group):
            raise GroupRefused(GroupError.GROUP_ID_NOT_FOUND, f"Group {group} not found.")
        return ClassicDescription(group, EMPTY, "", "")

    def describe_consumer(self, group: str) -> ConsumerGroup:
        """A group of the consumer protocol. Raises GroupRefused: GROUP_ID_NOT_FOUND, INVALID_GROUP_ID."""
        check_id(group)
        machine = self._coordinator.machines.get(group)
        if machine is None:
            raise GroupRefused(GroupError.GROUP_ID_NOT_FOUND, f"Group {group} not found.")
        if not isinstance(machine, ConsumerRequests):
            message = f"Group {group} is not a consumer group."
            raise GroupRefused(GroupError.GROUP_ID_NOT_FOUND, message)
        return machine.group

    def describe_share(self, group: str) -> ShareGroup:
        """A share group. Raises GroupRefused: GROUP_ID_NOT_FOUND, INVALID_GROUP_ID."""
        found = self._coordinator.share_group(group)
        if found is None:
            what = "not found" if group not in self._coordinator.machines else "not a share group"
            raise GroupRefused(GroupError.GROUP_ID_NOT_FOUND, f"Group {group} is {what}.")
        return found

    def subscribed_topics(self, group: str) -> Collection[str] | None:
        """Topics whose offsets are in use; None when all are: by members who do not say which."""
        machine = self._coordinator.machines.get(group)
        if machine is None or machine.group.is_empty:
            if self._coordinator.claims.has_embedded(group):
                return None
            return ()
        if isinstance(machine.group, ClassicGroup):
            return _classic_topics(machine.group)
        return machine.group.subscribed()


_NOBODY = ListedGroup("", CLASSIC, "", EMPTY)


def _classic_topics(group: ClassicGroup) -> Collection[str] | None:
    if group.protocol_type != CONSUMER_PROTOCOL or group.protocol is None:
        return None
    found: set[str] = set()
    for member in group.members.values():
        topics = decode_topics(member.metadata(group.protocol))
        if topics is None:
            return None
        found |= topics
    return found


def _classic(group: ClassicGroup) -> ClassicDescription:
    # As Kafka: while a group rebalances nobody's part is told, for it is about to change.
    stable = group.state == STABLE
    members = tuple(
        MemberRow(
            m.member_id,
            m.instance_id,
            m.client_id,
            m.client_host,
            m.metadata(group.protocol) if stable else b"",
            m.assignment if stable else b"",
        )
        for m in group.members.values()
    )
    protocol = (group.protocol or "") if stable else ""
    return ClassicDescription(
        group.group, group.state, group.protocol_type or "", protocol, members
    )


def _embedded(group: GroupDescription) -> ClassicDescription:
    members = tuple(
        MemberRow(
            m.member_id,
            m.instance_id,
            m.client_id,
            f"/pid {m.pid}",
            encode_subscription(m.topics),
            encode_assignment(TopicPartition(*where) for where in m.owned),
        )
        for m in group.members
    )
    return ClassicDescription(group.group, STABLE, CONSUMER_PROTOCOL, group.assignor or "", members)
