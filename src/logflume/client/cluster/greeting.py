"""The first word with a cluster: whoever cannot be reached, or does not let us in, is told apart; what it offers."""

from __future__ import annotations

import re
import time

from logflume.client.cluster.failures import AUTHENTICATION, AUTHORIZATION, Fail, failure
from logflume.errors import ClusterUnreachable, LogflumeError, Timeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume._native.rdkafka_consumer import ConsumerHandle
    from logflume.client.cluster.cluster import Cluster

__all__ = ["cause_of_silence", "greet", "offered_apis"]

_SLICE_MS = 1000
_LOOK_S = 2.0
_NOBODYS_TOPIC = "logflume-asks-whether-anybody-is-there"
_DECISIVE = AUTHENTICATION | AUTHORIZATION
_NO_GROUP = {"group.id": "logflume-no-group"}
_API_LINE = re.compile(r"ApiKey \w+ \((\d+)\) Versions")


class _Troubles:
    """What librdkafka told of its connections, newest last."""

    def __init__(self) -> None:
        self.noted: list[tuple[int, str]] = []

    def note(self, code: int, text: str) -> None:
        self.noted.append((code, text))

    def decisive(self) -> LogflumeError | None:
        """What trying again does not mend."""
        for code, text in self.noted:
            if code in _DECISIVE:
                return failure(code, text)
        return None

    def any(self) -> LogflumeError | None:
        """The cause, as far as it is known."""
        decisive = self.decisive()
        if decisive is not None or not self.noted:
            return decisive
        # The brokers one by one say more than that all are down.
        texts = [text for code, text in self.noted if code != -187] or [self.noted[-1][1]]
        return ClusterUnreachable(reason=texts[-1])


def greet(cluster: Cluster, seconds: float) -> None:
    """Return once a broker has answered. Raises AuthenticationFailed at once, ClusterUnreachable after `seconds`."""
    troubles = _Troubles()
    handle = cluster.consumer_handle(_NO_GROUP, Fail(), troubles.note)
    deadline = time.monotonic() + seconds
    try:
        while not _answers(handle, min(seconds, _SLICE_MS / 1000)):
            handle.fetch(1, 0)  # serves what was noted
            decisive = troubles.decisive()
            if decisive is not None:
                raise decisive
            if time.monotonic() > deadline:
                raise troubles.any() or Timeout(what="a broker's answer", seconds=seconds)
    finally:
        handle.close()


def cause_of_silence(cluster: Cluster) -> LogflumeError | None:
    """Why a call got no answer: asked again, by a connection of its own; None when somebody answers now."""
    troubles = _Troubles()
    handle = cluster.consumer_handle(_NO_GROUP, Fail(), troubles.note)
    try:
        if _answers(handle, _LOOK_S):
            return None
        handle.fetch(1, 0)
        return troubles.any()
    finally:
        handle.close()


def _answers(handle: ConsumerHandle, seconds: float) -> bool:
    try:
        handle.metadata(_NOBODYS_TOPIC, int(seconds * 1000))
    except (Timeout, ClusterUnreachable):
        return False
    return True


def offered_apis(cluster: Cluster) -> frozenset[int]:
    """Kafka's keys of the requests that a broker takes; empty when that cannot be told.

    librdkafka says so nowhere but in its log.
    """
    from logflume._native.rdkafka_consumer import ConsumerHandle

    found: set[int] = set()

    def note(level: int, facility: str, text: str) -> None:
        found.update(int(key) for key in _API_LINE.findall(text))

    library, fail, _, trouble = cluster.made(Fail())
    settings = cluster.settings({**_NO_GROUP, "debug": "feature"})
    handle = ConsumerHandle(settings, (library, fail, note, trouble))
    try:
        handle.metadata(_NOBODYS_TOPIC, int(cluster.timeout_s * 1000))
        seen = -1
        while len(found) > seen:
            seen = len(found)
            handle.fetch(1, 0)  # serves what was logged
        return frozenset(found)
    finally:
        handle.close()
