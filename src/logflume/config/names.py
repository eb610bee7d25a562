"""What topics, partitions and groups may be called: Kafka's rules, which also keep paths safe.

A topic's name becomes part of a directory's name, so the alphabet admits no separator,
and "." and ".." are refused.
"""

from __future__ import annotations

from operator import index

from logflume.errors import InvalidConfig, InvalidGroup, InvalidPartitions, InvalidTopicName

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = [
    "INTERNAL_TOPICS",
    "OFFSETS_TOPIC",
    "PARTITIONS_MAX",
    "SHARE_STATE_TOPIC",
    "TOPIC_LENGTH_MAX",
    "TRANSACTIONS_TOPIC",
    "as_number",
    "as_topic",
    "check_group",
    "check_partitions",
    "check_topic",
    "check_transactional_id",
    "collides",
]

TOPIC_LENGTH_MAX = 249
"""Leaves room in a file name's 255 bytes for "-", a partition number and a suffix, as in Kafka."""
PARTITIONS_MAX = 10_000
"""Most partitions of a topic; with five digits at most, every directory name fits."""
OFFSETS_TOPIC = "__consumer_offsets"
"""Where groups commit."""
TRANSACTIONS_TOPIC = "__transaction_state"
"""Where transactions are decided."""
SHARE_STATE_TOPIC = "__share_group_state"
"""Where share groups' answers are."""
INTERNAL_TOPICS = frozenset({OFFSETS_TOPIC, TRANSACTIONS_TOPIC, SHARE_STATE_TOPIC})
"""Kafka's own topics; only logflume itself creates them."""

_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_GROUP_BYTES_MAX = 32767  # Kafka's protocol gives a string's length 15 bits.


def check_topic(topic: str, existing: Iterable[str] = ()) -> str:
    """Return the name if Kafka would take it, else raise InvalidTopicName.

    With `existing` names it also raises when the new one collides with one of them.
    """
    reason = _topic_fault(topic)
    if reason is not None:
        raise InvalidTopicName(topic=str(topic), reason=reason)
    for other in existing:
        if topic != other and collides(topic, other):
            raise InvalidTopicName(
                topic=topic,
                reason=f"collides with {other!r}: '.' and '_' count as one in names of metrics",
            )
    return topic


def _topic_fault(topic: object) -> str | None:
    if not isinstance(topic, str):
        return f"must be str, not {type(topic).__name__}"
    if not topic:
        return "must not be empty"
    if topic in (".", ".."):
        return "must not be '.' or '..'"
    if len(topic) > TOPIC_LENGTH_MAX:
        return f"has {len(topic)} characters, more than {TOPIC_LENGTH_MAX}"
    strange = sorted(set(topic) - _ALLOWED)
    if strange:
        return f"has {strange[0]!r}; only ASCII letters, digits, '.', '_' and '-' are allowed"
    return None


def collides(topic: str, other: str) -> bool:
    """True when the two names differ at most in '.' against '_'."""
    return topic.replace(".", "_") == other.replace(".", "_")


def as_topic(given: object) -> str:
    """A topic's name, whatever it says. Raises TypeError for what is no text."""
    if not isinstance(given, str):
        raise TypeError(f"a topic is a str, not {type(given).__name__}")
    return given


def as_number(given: Any) -> int:
    """A partition's number, of any whole kind (numpy's too). Raises TypeError for anything else."""
    if not hasattr(given, "__index__"):
        raise TypeError(f"a partition's number is an int, not {type(given).__name__}")
    return index(given)


def check_partitions(topic: str, partitions: int) -> int:
    """Return the number of partitions if a topic can have it, else raise InvalidPartitions."""
    given: object = partitions  # callers without a type checker pass anything
    if not hasattr(given, "__index__") or isinstance(given, bool):
        raise InvalidPartitions(topic=topic, partitions=partitions, reason="must be a whole number")
    partitions = index(given)
    if not 1 <= partitions <= PARTITIONS_MAX:
        raise InvalidPartitions(
            topic=topic, partitions=partitions, reason=f"must be 1 to {PARTITIONS_MAX}"
        )
    return partitions


def check_group(group: str) -> str:
    """Return the group id if it can be used, else raise InvalidGroup.

    Kafka takes almost any text. A group's name never becomes a file name as it is (see
    `logflume.log.layout`), so slashes are fine; control characters, which could forge
    lines in logs and terminals, are not.
    """
    if not isinstance(group, str):
        raise InvalidGroup(group=str(group), reason=f"must be str, not {type(group).__name__}")
    if not group.strip():
        raise InvalidGroup(group=group, reason="must not be empty")
    if not group.isprintable():
        raise InvalidGroup(group=group, reason="has control characters")
    if len(group.encode("utf-8", "surrogatepass")) > _GROUP_BYTES_MAX:
        raise InvalidGroup(group=group[:64], reason=f"has more than {_GROUP_BYTES_MAX} bytes")
    return group


def check_transactional_id(name: str) -> str:
    """Return the transactional id if it can be used, else raise InvalidConfig. The rules of `check_group`."""
    if not name.strip():
        reason = "must not be empty"
    elif not name.isprintable():
        reason = "has control characters"
    elif len(name.encode("utf-8", "surrogatepass")) > _GROUP_BYTES_MAX:
        reason = f"has more than {_GROUP_BYTES_MAX} bytes"
    else:
        return name
    raise InvalidConfig(name="transactional.id", value=name[:64], reason=reason)
