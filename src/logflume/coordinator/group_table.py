"""A group's table: its members, what each should own, and the numbers that partitions lock by."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from logflume.errors import CorruptRecord, UnsupportedFormat
from logflume.types import TopicPartition

from .assignors import ASSIGNORS, Subscription, choose_assignor
from .partition_numbers import PartitionNumbers

__all__ = ["GroupTable", "MemberRow"]

FORMAT = 1


@dataclass(slots=True)
class MemberRow:
    """One member as the others see it."""

    member_id: str
    slot: int
    """Number of the lock that proves it alive."""
    client_id: str
    instance_id: str | None
    assignors: tuple[str, ...]
    """Names in order of preference."""
    topics: tuple[str, ...]
    pid: int
    joined_ms: int
    """Wall clock, ms since 1970; for people."""
    session_timeout_s: float
    """How long a static member may be gone before its partitions go to others."""
    target: list[TopicPartition] = field(default_factory=list)
    """What it should own, by the present generation."""
    owned: list[TopicPartition] = field(default_factory=list)
    """What it said last that it owns; for people. The locks decide."""
    gone_since: float | None = None
    """Static members only: when it left or was found dead, in seconds of the machine's clock."""

    def is_expired(self, now: float) -> bool:
        """Whether a static member has been gone for too long."""
        if self.gone_since is None:
            return False
        # The clock starts anew with the machine: a time to come is from before that.
        return not self.gone_since <= now < self.gone_since + self.session_timeout_s


@dataclass(slots=True)
class GroupTable:
    """All a member must know. Changed only under the file's lock, by whoever holds it.

    The one who changes it also computes the assignment and stores it here, so that all members
    have the same without talking, whatever version of logflume each of them runs.
    """

    group: str
    generation: int = 0
    assignor: str | None = None
    members: dict[str, MemberRow] = field(default_factory=dict)
    partition_counts: dict[str, int] = field(default_factory=dict)
    """Of the topics subscribed to, as they were when the assignment was made."""
    numbers: PartitionNumbers = field(default_factory=PartitionNumbers)

    def topics(self) -> set[str]:
        """Every topic a member subscribes to."""
        return {topic for row in self.members.values() for topic in row.topics}

    def counts_now(self, partition_count: Callable[[str], int | None]) -> dict[str, int]:
        """Partition counts of all topics subscribed to; those that do not exist are left out."""
        counts = {topic: partition_count(topic) for topic in sorted(self.topics())}
        return {topic: count for topic, count in counts.items() if count}

    def rebalance(
        self, partition_counts: Mapping[str, int], is_owned: Callable[[int, int], bool]
    ) -> None:
        """Begin a new generation: choose the assignor and say what each member should own.

        `is_owned(first, count)` tells whether a lock in that range of numbers is held.
        """
        self.generation += 1
        self.partition_counts = dict(partition_counts)
        self.numbers.drop_others(partition_counts, is_owned)
        self.numbers.cover(partition_counts)
        self.assignor = choose_assignor(row.assignors for row in self.members.values())
        if self.assignor is None:
            return
        # The locks already keep a partition from its new owner until the old one let go, so the
        # round that cooperative-sticky spends on that is not needed: its aim is sticky's.
        name = "sticky" if self.assignor == "cooperative-sticky" else self.assignor
        assignment = ASSIGNORS[name](
            {
                row.member_id: Subscription(
                    topics=frozenset(row.topics),
                    owned=tuple(row.target),
                    generation=self.generation - 1,
                    instance_id=row.instance_id,
                )
                for row in self.members.values()
            },
            partition_counts,
        )
        for member_id, partitions in assignment.items():
            self.members[member_id].target = partitions

    def encode(self) -> bytes:
        """As bytes for the group's file."""
        table = {
            "format": FORMAT,
            "group": self.group,
            "generation": self.generation,
            "assignor": self.assignor,
            "partition_counts": self.partition_counts,
            "numbers": self.numbers.runs,
            "next_number": self.numbers.next_number,
            "members": [_row_to_json(row) for row in self.members.values()],
        }
        return json.dumps(table, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes, *, path: str) -> GroupTable:
        """The reverse. `path` is for errors: CorruptRecord, UnsupportedFormat."""
        try:
            table = json.loads(data)
            if table["format"] != FORMAT:
                raise UnsupportedFormat(path=path, reason=f"group table {table['format']!r}")
            runs = {
                topic: [(first, count) for first, count in topic_runs]
                for topic, topic_runs in table["numbers"].items()
            }
            rows = [_row_from_json(row) for row in table["members"]]
            return cls(
                group=table["group"],
                generation=table["generation"],
                assignor=table["assignor"],
                members={row.member_id: row for row in rows},
                partition_counts=table["partition_counts"],
                numbers=PartitionNumbers(runs, table["next_number"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"group table with right checksum but wrong content: {error!r}"
            raise CorruptRecord(path=path, position=0, reason=reason) from error


_PLAIN_FIELDS = (
    "member_id", "slot", "client_id", "instance_id", "pid", "joined_ms", "session_timeout_s",
    "gone_since",
)  # fmt: skip


def _row_to_json(row: MemberRow) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in _PLAIN_FIELDS}
    lists = {"assignors": row.assignors, "topics": row.topics}
    return plain | lists | {"target": _by_topic(row.target), "owned": _by_topic(row.owned)}


def _row_from_json(row: dict[str, Any]) -> MemberRow:
    return MemberRow(
        **{name: row[name] for name in _PLAIN_FIELDS},
        assignors=tuple(row["assignors"]),
        topics=tuple(row["topics"]),
        target=_from_topics(row["target"]),
        owned=_from_topics(row["owned"]),
    )


def _by_topic(partitions: Iterable[TopicPartition]) -> dict[str, list[int]]:
    by_topic: dict[str, list[int]] = {}
    for topic, number in partitions:
        by_topic.setdefault(topic, []).append(number)
    return by_topic


def _from_topics(by_topic: dict[str, list[int]]) -> list[TopicPartition]:
    return [TopicPartition(topic, n) for topic, numbers in by_topic.items() for n in numbers]
