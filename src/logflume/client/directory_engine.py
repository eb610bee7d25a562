"""The engine of a directory: what a Log needs beyond the directory itself."""

from __future__ import annotations

from logflume.config import parse
from logflume.config.names import INTERNAL_TOPICS, OFFSETS_TOPIC
from logflume.errors import InvalidTopicName, UnsupportedByEngine
from logflume.log.bulk_sync import sync_together
from logflume.log.directory import LogDirectory
from logflume.log.partition_settings import codec_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    from logflume._native.partition import Partition
    from logflume._native.producer_core import ProducerCore
    from logflume.client.consumer.assignment import Assignment
    from logflume.client.consumer.subscription import Subscription
    from logflume.client.engine import Engine
    from logflume.config import ConsumerConfig, ProducerConfig
    from logflume.config.option import Config
    from logflume.types import PartitionReport

    C = TypeVar("C", bound=Config)

__all__ = ["DirectoryEngine", "directory_of"]


def directory_of(engine: Engine, what: str) -> LogDirectory:
    """The directory that a log stands on. Raises UnsupportedByEngine for `what`, on a cluster."""
    if isinstance(engine, LogDirectory):
        return engine
    raise UnsupportedByEngine(what=what, instead="a directory, or a consumer")


class DirectoryEngine(LogDirectory):
    """A LogDirectory that makes the parts of producers and consumers. See client.engine.Engine."""

    is_remote = False

    def delete_topic(self, name: str) -> None:
        """Delete a topic with its records, and what groups committed for it."""
        super().delete_topic(name)
        if OFFSETS_TOPIC in self.topics(internal=True):
            from logflume.coordinator.offset_store import OffsetStore

            for partition in self.partitions(OFFSETS_TOPIC):
                OffsetStore(partition).delete_topic(name)

    def partition_reports(self) -> list[PartitionReport]:
        """What opening each partition opened so far found and did."""
        return [p.recovery for p in self.open_partitions()]

    def parse(self, table: type[C], options: Mapping[str, object]) -> C:
        """As config.parse."""
        return parse(table, options)

    def producer_core(self, config: ProducerConfig, wake: Callable[[], None]) -> ProducerCore:
        """The native part of a producer."""
        from logflume._native.producer_core import ProducerCore

        return ProducerCore(
            _TopicOpener(self, config),
            wake,
            sync_together,
            acks=config.acks,
            linger=config.linger_ms / 1000,
            batch_size=config.batch_size,
            max_request_size=config.max_request_size,
            partitioner=config.partitioner,
            claim_id=self.producer_ids.claim if config.idempotent else None,
        )

    def assignment(self, config: ConsumerConfig) -> Assignment:
        """What a consumer reads."""
        from logflume.client.consumer.assignment import Assignment

        return Assignment(
            self,
            reset=config.auto_offset_reset,
            group=config.group_id,
            check_crcs=config.check_crcs,
        )

    def subscription(
        self, config: ConsumerConfig, assignment: Assignment, give_back: Callable[[], None]
    ) -> Subscription:
        """What a consumer asked for."""
        from logflume.client.consumer.subscription import Subscription

        return Subscription(self, config, assignment, give_back)


class _TopicOpener:
    """What the native part asks when it meets a topic for the first time."""

    def __init__(self, directory: LogDirectory, config: ProducerConfig) -> None:
        self._directory = directory
        self._config = config

    def __call__(self, name: object) -> tuple[list[Partition], int, int, int, int, object]:
        if not isinstance(name, str):
            raise TypeError(f"a topic is a str, not {type(name).__name__}")
        if name in INTERNAL_TOPICS:
            raise InvalidTopicName(
                topic=name, reason="internal topics are written by logflume only"
            )
        entry = self._directory.topic(name)
        topic = entry.config
        # The topic's codec, unless it leaves the choice to producers.
        own = topic.compression_type == "producer"
        config: Any = self._config if own else topic
        codec, level = codec_of(config.compression_type, config)
        unlimited = (1 << 62) - 1
        append_time = topic.message_timestamp_type == "LogAppendTime"
        return (
            self._directory.partitions(name),
            codec,
            level,
            unlimited if append_time else min(topic.message_timestamp_before_max_ms, unlimited),
            unlimited if append_time else min(topic.message_timestamp_after_max_ms, unlimited),
            topic,
        )
