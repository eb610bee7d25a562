"""The request and the answer of ConsumerGroupHeartbeat (KIP-848), without their place on the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NoReturn

from .consumer_member import LEFT_FOR_NOW, ConsumerMember
from .group_errors import GroupError, GroupRefused
from .group_records import IdPartition, MemberMetadata
from .topic_patterns import compile_pattern

__all__ = ["JOIN", "LEAVE", "ConsumerAnswer", "ConsumerHeartbeat", "check_texts", "invalid"]

JOIN = 0
"""Epoch of a member that joins, or begins anew."""
LEAVE = -1
UNCHANGED_MS = -1


def _everything(_topic: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class ConsumerHeartbeat:
    """The request. None (and -1 ms) is "as I said before"; `epoch` 0 joins, -1 leaves, -2 for now.

    `regex` "" takes an expression back.
    """

    group: str
    member_id: str
    epoch: int
    client_id: str
    client_host: str
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = UNCHANGED_MS
    topics: tuple[str, ...] | None = None
    regex: str | None = None
    assignor: str | None = None
    owned: frozenset[IdPartition] | None = None
    visible: Callable[[str], bool] = field(default=_everything, compare=False)
    """Topics that the member's expression may stand for."""

    @property
    def is_full(self) -> bool:
        """It says everything: it joins, or is not sure what the coordinator knows."""
        told = self.topics is not None or self.regex is not None
        return self.epoch == JOIN or (
            self.rebalance_timeout_ms != UNCHANGED_MS and told and self.owned is not None
        )

    def check(self, assignors: tuple[str, ...]) -> None:
        """Raises GroupRefused where the request cannot be."""
        check_texts(GroupId=self.group, InstanceId=self.instance_id, RackId=self.rack_id)
        if self.epoch == JOIN:
            self._check_join()
        elif self.epoch < LEFT_FOR_NOW:
            invalid("MemberEpoch is invalid.")
        elif not self.member_id:
            invalid("MemberId can't be empty.")
        elif self.epoch == LEFT_FOR_NOW and self.instance_id is None:
            invalid("InstanceId can't be null.")
        if self.assignor is not None and self.assignor not in assignors:
            raise GroupRefused(
                GroupError.UNSUPPORTED_ASSIGNOR,
                f"ServerAssignor {self.assignor} is not supported."
                f" Supported assignors: {', '.join(assignors)}.",
            )

    def _check_join(self) -> None:
        if self.rebalance_timeout_ms == UNCHANGED_MS:
            invalid("RebalanceTimeoutMs must be provided in first request.")
        if self.owned is None or self.owned:
            invalid("TopicPartitions must be empty when (re-)joining.")
        if not self.topics and not self.regex:
            invalid("SubscribedTopicNames or SubscribedTopicRegex must be set in first request.")

    def check_wishes(self) -> None:
        """Raises GroupRefused where what is wished for cannot be understood."""
        if self.regex:
            compile_pattern(self.regex)

    def new_metadata(self) -> MemberMetadata:
        """What a new member says of itself."""
        return MemberMetadata(
            instance_id=self.instance_id,
            rack_id=self.rack_id,
            client_id=self.client_id,
            client_host=self.client_host,
            topics=tuple(sorted(set(self.topics or ()))),
            regex=self.regex or None,
            rebalance_timeout_ms=self.rebalance_timeout_ms,
            assignor=self.assignor,
        )

    def told_by(self, member: ConsumerMember) -> ConsumerMember:
        """The member with what it says now; where it says nothing, with what it said before."""
        old = member.metadata
        waits_ms = self.rebalance_timeout_ms
        new = replace(
            old,
            rack_id=old.rack_id if self.rack_id is None else self.rack_id,
            client_id=self.client_id,
            client_host=self.client_host,
            topics=old.topics if self.topics is None else tuple(sorted(set(self.topics))),
            regex=old.regex if self.regex is None else self.regex or None,
            rebalance_timeout_ms=old.rebalance_timeout_ms if waits_ms == UNCHANGED_MS else waits_ms,
            assignor=old.assignor if self.assignor is None else self.assignor,
        )
        return replace(member, metadata=new)


def check_texts(**texts: str | None) -> None:
    """Raises GroupRefused where one of these is said and is empty."""
    for name, text in texts.items():
        if text is not None and not text.strip():
            invalid(f"{name} can't be empty.")


def invalid(message: str) -> NoReturn:
    """Raises GroupRefused: INVALID_REQUEST."""
    raise GroupRefused(GroupError.INVALID_REQUEST, message)


@dataclass(frozen=True, slots=True)
class ConsumerAnswer:
    """The answer; `assignment` is None where the member knows it already."""

    member_id: str
    epoch: int
    heartbeat_interval_ms: int
    assignment: frozenset[IdPartition] | None = None
