"""Errors that only the protocol has: an embedded program cannot come to ask for what they refuse."""

from __future__ import annotations

from logflume.errors import LogflumeError

__all__ = ["InvalidReplicaAssignment", "InvalidReplicationFactor", "InvalidRequest"]


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
