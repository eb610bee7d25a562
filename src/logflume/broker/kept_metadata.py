"""Metadata answers that were given before: until a topic changes, the same question has the same answer.

To describe a topic of two thousand partitions takes the event loop 30 ms, and all clients of it ask when they start,
when they lose a connection, and every few minutes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from logflume.broker.server import Broker
    from logflume.log.topic_store import TopicEntry

__all__ = ["KeptMetadata"]

_BYTES_MAX = 8 << 20


class KeptMetadata:
    """One for each broker. Belongs to its event loop."""

    def __init__(self, broker: Broker) -> None:
        self._topics = broker.topics
        self._seen: Mapping[str, TopicEntry] | None = None  # the topics that the answers are of
        self._answers: dict[Hashable, bytes] = {}
        self._bytes = 0

    def find(self, question: Hashable) -> bytes | None:
        """The answer that was kept for a question, if no topic has changed since."""
        return self._answers.get(question) if self._topics.entries() is self._seen else None

    def keep(self, question: Hashable, answer: bytes, seen: Mapping[str, TopicEntry]) -> None:
        """Keep an answer that was made by the topics `seen`, unless they have changed meanwhile."""
        if self._topics.entries() is not seen:
            return
        if seen is not self._seen or self._bytes + len(answer) > _BYTES_MAX:
            self._seen, self._bytes = seen, 0
            self._answers.clear()
        if len(answer) <= _BYTES_MAX and question not in self._answers:
            self._answers[question] = answer
            self._bytes += len(answer)
