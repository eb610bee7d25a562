"""Errors of consumer groups."""

from __future__ import annotations

from logflume.errors.base import LogflumeError

__all__ = [
    "CommitFailed",
    "FencedInstance",
    "GroupNotEmpty",
    "GroupNotFound",
    "InvalidGroup",
    "UnknownMember",
]


class CommitFailed(LogflumeError):
    """The group moved on (Kafka's ILLEGAL_GENERATION); the partition belongs to another member."""

    code = 22
    template = "commit for group {group!r} failed: {reason}"
    group: str
    reason: str


class UnknownMember(LogflumeError):
    """The member is not, or no longer, in the group."""

    code = 25
    template = "group {group!r} has no member {member!r}"
    group: str
    member: str


class FencedInstance(LogflumeError):
    """A living consumer has the same group.instance.id."""

    code = 82
    template = "instance {instance!r} of group {group!r} has another, living consumer"
    group: str
    instance: str


class GroupNotEmpty(LogflumeError):
    """The group has members, and the operation needs it to have none."""

    code = 68
    template = "group {group!r} has members"
    group: str


class GroupNotFound(LogflumeError):
    """No such group."""

    code = 69
    template = "unknown group {group!r}"
    group: str


class InvalidGroup(LogflumeError):
    """A group id that cannot be used."""

    code = 24
    template = "invalid group {group!r}: {reason}"
    group: str
    reason: str
