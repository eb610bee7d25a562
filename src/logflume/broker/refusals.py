"""Errors that only the protocol has: an embedded program cannot come to ask for what they refuse."""

from __future__ import annotations

from logflume.errors import LogflumeError

__all__ = [
    "ClusterForbidden",
    "ElectionNotNeeded",
    "GroupForbidden",
    "InvalidReplicaAssignment",
    "InvalidReplicationFactor",
    "InvalidRequest",
    "NoReassignmentInProgress",
    "SecurityDisabled",
    "TopicForbidden",
    "TransactionalIdForbidden",
]


class InvalidReplicationFactor(LogflumeError):
    """More copies than there are brokers, or none."""

    code = 38
    template = "replication factor {factor}: there is one broker, which keeps one copy"
    factor: int


class InvalidReplicaAssignment(LogflumeError):
    """Partitions assigned to brokers that there are not, or with gaps in their numbers."""

    code = 39
    template = "invalid replica assignment: {reason}"
    reason: str


class InvalidRequest(LogflumeError):
    """What is asked for contradicts itself."""

    code = 42
    template = "{reason}"
    reason: str


class ElectionNotNeeded(LogflumeError):
    """The partition's leader is the one that an election would give."""

    code = 84
    template = "no election is needed: there is one broker, which leads every partition"


class NoReassignmentInProgress(LogflumeError):
    """A move that is to be given up, where nothing moves."""

    code = 85
    template = "nothing moves: there is one broker"


class TopicForbidden(LogflumeError):
    """The client may not do this with the topic."""

    code = 29
    template = "not allowed with topic {topic!r}"
    topic: str


class ClusterForbidden(LogflumeError):
    """The client may not do this at all."""

    code = 31
    template = "not allowed"


class GroupForbidden(LogflumeError):
    """The client may not do this with the group."""

    code = 30
    template = "not allowed with group {group!r}"
    group: str


class TransactionalIdForbidden(LogflumeError):
    """The client may not do this with the transactional id."""

    code = 53
    template = "not allowed with transactional id {transactional_id!r}"
    transactional_id: str


class SecurityDisabled(LogflumeError):
    """There are no ACLs as long as they are switched off."""

    code = 54
    template = "ACLs are off: acl.enable=true switches them on"
