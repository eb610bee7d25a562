"""Errors of an agent's connections: what others send, and what they do not take."""

from __future__ import annotations

from logflume.errors.base import LogflumeError

__all__ = ["BadMessage", "DeliveryFailed"]


class BadMessage(LogflumeError):
    """What a peer sent is not what its protocol allows. The connection is closed."""

    template = "{peer} sent what its protocol does not allow: {reason}"
    peer: str
    reason: str


class DeliveryFailed(LogflumeError):
    """A sink's peer did not take events; they are sent again."""

    retriable = True
    template = "{peer} did not take the events: {reason}"
    peer: str
    reason: str
