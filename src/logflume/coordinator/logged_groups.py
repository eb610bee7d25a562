"""Groups of a broker's clients for those who are not the broker: out of its records, for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

from logflume.types import TopicPartition

from .classic_group import ClassicGroup
from .consumer_group import ConsumerGroup
from .consumer_protocol import decode_assignment, decode_topics
from .group_description import EMPTY, GroupDescription, MemberDescription
from .group_records import IdPartition
from .share_group import ShareGroup
from .share_targets import SHARE_ASSIGNOR

__all__ = ["describe_logged"]


def describe_logged(
    group: ClassicGroup | ConsumerGroup | ShareGroup,
    name_of: Callable[[UUID], str | None],
    *,
    served: bool,
) -> GroupDescription:
    """What the records say. `name_of` gives a topic's name by its id.

    `served`: the broker holds the group at present. Otherwise its members are those that the last broker knew.
    """
    if isinstance(group, ClassicGroup):
        members = tuple(_classic(group, member_id, served) for member_id in group.members)
        generation, assignor = group.generation, group.protocol
    else:
        members = tuple(_consumer(group, m, name_of, served) for m in group.members)
        generation = group.epoch
        assignor = SHARE_ASSIGNOR if isinstance(group, ShareGroup) else group.assignor("uniform")
    state = group.state if served else EMPTY
    return GroupDescription(group.group, state, generation, assignor if members else None, members)


def _classic(group: ClassicGroup, member_id: str, served: bool) -> MemberDescription:
    member = group.members[member_id]
    assigned = decode_assignment(member.assignment)
    return MemberDescription(
        member_id=member_id,
        client_id=member.client_id,
        instance_id=member.instance_id,
        pid=0,
        joined_ms=0,
        topics=tuple(sorted(decode_topics(member.metadata(group.protocol)) or ())),
        assigned=assigned,
        owned=assigned if served else (),
        alive=served,
        client_host=member.client_host,
    )


def _consumer(
    group: ConsumerGroup | ShareGroup,
    member_id: str,
    name_of: Callable[[UUID], str | None],
    served: bool,
) -> MemberDescription:
    member = group.members[member_id]

    def named(partitions: Iterable[IdPartition]) -> tuple[TopicPartition, ...]:
        pairs = ((name_of(topic_id), number) for topic_id, number in partitions)
        return tuple(sorted(TopicPartition(name, number) for name, number in pairs if name))

    return MemberDescription(
        member_id=member_id,
        client_id=member.metadata.client_id,
        instance_id=member.metadata.instance_id,
        pid=0,
        joined_ms=0,
        topics=tuple(sorted(group.topics_of(member))),
        assigned=named(group.target_of(member_id)),
        owned=named(member.held) if served else (),
        alive=served and member.epoch >= 0,
        client_host=member.metadata.client_host,
    )
