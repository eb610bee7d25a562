"""One topic, for asyncio: its partitions by number."""

from __future__ import annotations

from logflume.aio.partition import Partition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from logflume.client.log import Log as SyncLog
    from logflume.config.topic import TopicConfig

__all__ = ["Topic"]


class Topic:
    """`log["clicks"]`: a sequence of partitions, opened when first used."""

    def __init__(self, log: SyncLog, name: str) -> None:
        self._engine = log.engine
        self.name = name

    @property
    def config(self) -> TopicConfig:
        """The topic's settings."""
        return self._engine.topic(self.name).config

    @property
    def topic_id(self) -> str | None:
        """Kafka's topic id, 22 characters; None for a topic found without one."""
        return self._engine.topic(self.name).topic_id

    def __len__(self) -> int:
        return self._engine.topic(self.name).partitions

    def __getitem__(self, number: int) -> Partition:
        return Partition(self._engine, self.name, number)

    def __iter__(self) -> Iterator[Partition]:
        return (self[number] for number in range(len(self)))

    def __repr__(self) -> str:
        return f"<aio.Topic {self.name}, {len(self)} partitions>"
