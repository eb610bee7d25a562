"""One topic: its partitions by number."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from logflume._native.partition import Partition
    from logflume.config.topic import TopicConfig
    from logflume.log.directory import LogDirectory

__all__ = ["Topic"]


class Topic:
    """`log["clicks"]`: a sequence of partitions, opened when first used. Thread-safe."""

    def __init__(self, directory: LogDirectory, name: str) -> None:
        self._directory = directory
        self.name = name

    @property
    def config(self) -> TopicConfig:
        """The topic's settings."""
        return self._directory.topic(self.name).config

    @property
    def topic_id(self) -> str | None:
        """Kafka's topic id, 22 characters; None for a topic found without one."""
        return self._directory.topic(self.name).topic_id

    def __len__(self) -> int:
        return self._directory.topic(self.name).partitions

    def __getitem__(self, number: int) -> Partition:
        return self._directory.partition(self.name, number)

    def __iter__(self) -> Iterator[Partition]:
        return iter(self._directory.partitions(self.name))

    def __repr__(self) -> str:
        return f"<Topic {self.name}, {len(self)} partitions>"
