"""The engine of a directory: what a Log needs beyond the directory itself."""

from __future__ import annotations

import time

from logflume.config import parse
from logflume.config.names import INTERNAL_TOPICS, OFFSETS_TOPIC, SHARE_STATE_TOPIC
from logflume.coordinator.transactions.directory import TransactionalDirectory
from logflume.errors import InvalidTopicName, Timeout, UnsupportedByEngine
from logflume.log.bulk_sync import sync_together
from logflume.log.directory import LogDirectory
from logflume.log.partition_settings import codec_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any, TypeVar

    from logflume._native.partition import Partition
    from logflume._native.producer_core import ProducerCore
    from logflume._native.transactions import TransactionPage
    from logflume.client.consumer.assignment import Assignment
    from logflume.client.consumer.subscription import Subscription
    from logflume.client.engine import Engine, QueueCore
    from logflume.config import ConsumerConfig, ProducerConfig, QueueConfig
    from logflume.config.option import Config
    from logflume.coordinator.transactions.administration import Transactions
    from logflume.coordinator.transactions.coordinator import TransactionCoordinator
    from logflume.types import OffsetAndMetadata, PartitionReport, TopicPartition

    C = TypeVar("C", bound=Config)

__all__ = ["DirectoryEngine", "coordinator_of", "directory_of", "stable_ends_of", "transactions_of"]

_PUBLISH_S = 30.0  # for a commit to be published, or completed for a writer that died


def directory_of(
    engine: Engine, what: str, instead: str = "a directory, or a consumer"
) -> LogDirectory:
    """The directory that a log stands on. Raises UnsupportedByEngine for `what`, on a cluster."""
    if isinstance(engine, LogDirectory):
        return engine
    raise UnsupportedByEngine(what=what, instead=instead)


def stable_ends_of(engine: Engine) -> Callable[[list[Partition]], list[int]]:
    """What tells the last stable offsets of partitions, all of one moment."""
    if isinstance(engine, DirectoryEngine):
        return engine.stable_ends
    raise UnsupportedByEngine(what="stable_ends()", instead="a consumer with read_committed")


def transactions_of(engine: Engine) -> Transactions:
    """The transactions of the directory that a log stands on. Raises UnsupportedByEngine on a cluster."""
    from logflume.coordinator.transactions.administration import Transactions

    if isinstance(engine, DirectoryEngine):
        return Transactions(engine.coordinator.room)
    raise UnsupportedByEngine(what="log.transactions", instead="a directory, or Kafka's tools")


def coordinator_of(engine: Engine, what: str) -> TransactionCoordinator:
    """Who decides the transactions of a directory. Raises UnsupportedByEngine for `what`, on a cluster."""
    if isinstance(engine, DirectoryEngine):
        return engine.coordinator
    raise UnsupportedByEngine(what=what, instead="a directory")


class DirectoryEngine(TransactionalDirectory):
    """A LogDirectory that makes the parts of producers and consumers. See client.engine.Engine."""

    is_remote = False

    def delete_topic(self, name: str) -> None:
        """Delete a topic with its records, and what groups committed for it."""
        forget_shared = self._forgetting_shared(name)
        super().delete_topic(name)
        forget_shared()
        if OFFSETS_TOPIC in self.topics(internal=True):
            from logflume.coordinator.offset_store import OffsetStore

            for partition in self.partitions(OFFSETS_TOPIC):
                OffsetStore(partition).delete_topic(name)

    def _forgetting_shared(self, name: str) -> Callable[[], None]:
        """What takes back the share groups' states of a topic, once it is deleted: they are kept by its id."""
        if SHARE_STATE_TOPIC not in self.topics(internal=True):
            return lambda: None
        from logflume.coordinator.share.share_groups import ShareGroups
        from logflume.coordinator.share.state_topic import topic_id_of

        topic_id = topic_id_of(self, name)
        return lambda: ShareGroups(self).delete_topic(topic_id)

    def committed_by_groups(
        self, topics: Collection[str]
    ) -> dict[str, dict[TopicPartition, OffsetAndMetadata]]:
        """All that each group has committed for these topics."""
        found: dict[str, dict[TopicPartition, OffsetAndMetadata]] = {}
        if OFFSETS_TOPIC in self.topics(internal=True):
            from logflume.coordinator.offset_store import OffsetStore

            for partition in self.partitions(OFFSETS_TOPIC):
                store = OffsetStore(partition)
                for group in store.groups():
                    offsets = store.offsets(group).items()
                    found.setdefault(group, {}).update(o for o in offsets if o[0].topic in topics)
        return found

    def partition_reports(self) -> list[PartitionReport]:
        """What opening each partition opened so far found and did."""
        return [p.recovery for p in self.open_partitions()]

    def parse(self, table: type[C], options: Mapping[str, object]) -> C:
        """As config.parse."""
        return parse(table, options)

    def producer_core(self, config: ProducerConfig, wake: Callable[[], None]) -> ProducerCore:
        """The native part of a producer."""
        from logflume._native.producer_core import ProducerCore

        self.check_writable()
        transactions = None
        opener = _TopicOpener(self, config)
        if config.transactional_id is not None:
            from logflume.client.producer_transactions import ProducerTransactions

            transactions = ProducerTransactions(self, self.coordinator, config)
            opener.before_first_send = transactions.clear
        core = ProducerCore(
            opener,
            wake,
            sync_together,
            # Inside a transaction it is the commit that goes to the disk.
            acks=config.acks if transactions is None else 1,
            linger=config.linger_ms / 1000,
            batch_size=config.batch_size,
            max_request_size=config.max_request_size,
            partitioner=config.partitioner,
            claim_id=self.producer_ids.claim if config.idempotent else None,
            transactional_id=config.transactional_id,
        )
        if transactions is not None:
            transactions.attach(core)
            core.transactions = transactions
        return core

    def assignment(self, config: ConsumerConfig) -> Assignment:
        """What a consumer reads."""
        from logflume.client.consumer.assignment import Assignment

        return Assignment(
            self,
            reset=config.auto_offset_reset,
            group=config.group_id,
            check_crcs=config.check_crcs,
            read_committed=config.isolation_level == "read_committed",
            page=self._page,
            settle=self.settle_transactions,
        )

    def _page(self) -> TransactionPage | None:
        return None if self.read_only else self.coordinator.room.open()

    def stable_ends(self, partitions: list[Partition]) -> list[int]:
        """Their last stable offsets, of one moment: each transaction is below all of them, or below none. Raises
        Timeout when a commit stays half published for `_PUBLISH_S` seconds."""
        from logflume._native.consumer_core import Fetcher

        self.settle_transactions(partitions)
        fetcher = Fetcher()
        fetcher.use_page(self._page())
        fetcher.set_readers([partition.reader(read_committed=True) for partition in partitions])
        deadline = time.monotonic() + _PUBLISH_S
        while (ends := fetcher.limits()) is None:
            if time.monotonic() > deadline:
                raise Timeout(what="a commit that is being published", seconds=_PUBLISH_S)
            time.sleep(0.001)
            self.settle_transactions(partitions)
        return ends

    def settle_transactions(self, partitions: list[Partition]) -> None:
        """For readers who wait for an open transaction, or for one that is being published."""
        if not self.read_only:
            self.coordinator.settle(partitions)

    def subscription(
        self, config: ConsumerConfig, assignment: Assignment, give_back: Callable[[], None]
    ) -> Subscription:
        """What a consumer asked for."""
        from logflume.client.consumer.subscription import Subscription

        return Subscription(self, config, assignment, give_back, self.settle_transactions)

    def queue_core(self, config: QueueConfig, topics: list[str]) -> QueueCore:
        """A member of a share group."""
        from logflume.client.queue.member import QueueMember

        return QueueMember(self, config, topics)


class _TopicOpener:
    """What the native part asks when it meets a topic for the first time."""

    def __init__(self, directory: LogDirectory, config: ProducerConfig) -> None:
        self._directory = directory
        self._config = config
        self.before_first_send: Callable[[list[Partition]], None] = lambda _: None

    def __call__(self, given: object) -> tuple[list[Partition], int, int, int, int, object]:
        name = str(given)
        if not isinstance(given, str):
            from logflume.client.producer_transactions import InternalTopic

            if not isinstance(given, InternalTopic):
                raise TypeError(f"a topic is a str, not {type(given).__name__}")
        elif name in INTERNAL_TOPICS:
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
        partitions = self._directory.partitions(name)
        self.before_first_send(partitions)
        return (
            partitions,
            codec,
            level,
            unlimited if append_time else min(topic.message_timestamp_before_max_ms, unlimited),
            unlimited if append_time else min(topic.message_timestamp_after_max_ms, unlimited),
            topic,
        )
