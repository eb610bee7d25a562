"""What members of share groups say of their records: checked as Kafka does, and handed to the engine."""

from __future__ import annotations

from logflume.broker.partitions import UNKNOWN_TOPIC_ID
from logflume.broker.refusals import TopicForbidden
from logflume.broker.security.acl import Operation
from logflume.coordinator.share import AcknowledgeType, Answer
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.share_groups import SharedGroup

    Key = tuple[bytes, int]

__all__ = ["acknowledge_all", "key_of", "parse_answers"]

INVALID_REQUEST = 42
_NO_ID = bytes(16)


def key_of(topic: Any, index: int) -> Key:
    """A partition of a request: its topic's id, its number."""
    return (_NO_ID if topic.topic_id is None else topic.topic_id.bytes), index


async def acknowledge_all(
    call: Call, group: SharedGroup, member_id: str, topics: Iterable[Any], *, renews: bool
) -> dict[Key, int]:
    """Do what a request says of records: Kafka's code for each partition that it says something of.

    What is done survives the death of the broker; the disk has it when the kernel gets to it, as with commits.
    """
    codes: dict[Key, int] = {}
    for topic in topics:
        for part in topic.partitions:
            if part.acknowledgement_batches:
                key = key_of(topic, part.partition_index)
                codes[key] = await _acknowledge(
                    call, group, member_id, key, part.acknowledgement_batches, renews=renews
                )
    if codes:
        group.tell()
    return codes


async def _acknowledge(
    call: Call, group: SharedGroup, member_id: str, key: Key, batches: Any, *, renews: bool
) -> int:
    answers = parse_answers(batches, renews=renews)
    if answers is None:
        return INVALID_REQUEST
    name = call.broker.partitions.name_of(key[0])
    if name is None:
        return UNKNOWN_TOPIC_ID
    if not call.may_topic(Operation.READ, name):
        return TopicForbidden.code
    try:
        part = await group.part(name, key[1])
        await group.step(lambda: part.acknowledge(member_id, answers, durable=False))
    except LogflumeError as error:
        if error.code < 0:
            call.broker.report(error, topic=name, partition=key[1])
        return error.code
    return 0


def parse_answers(batches: Iterable[Any], *, renews: bool) -> list[Answer] | None:
    """The answers of one partition; None where they cannot be. `renews`: it is said that some ask for more time."""
    highest = AcknowledgeType.RENEW if renews else AcknowledgeType.REJECT
    answers: list[Answer] = []
    end = -1
    for batch in batches:
        first, last, types = batch.first_offset, batch.last_offset, batch.acknowledge_types
        if first > last or first <= end or len(types) not in (1, last - first + 1):
            return None
        if not types or min(types) < 0 or max(types) > highest:
            return None
        end = last
        if len(types) == 1:
            answers.append(Answer(first, last, AcknowledgeType(types[0])))
            continue
        for offset, kind in enumerate(types, first):
            if answers and answers[-1].last == offset - 1 and answers[-1].type == kind:
                answers[-1] = answers[-1]._replace(last=offset)
            else:
                answers.append(Answer(offset, offset, AcknowledgeType(kind)))
    return answers
