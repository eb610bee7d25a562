"""Topics of a cluster, through confluent-kafka's AdminClient."""

from __future__ import annotations

from logflume.client.cluster.failures import admin_errors
from logflume.config import parse
from logflume.config.topic import TopicConfig
from logflume.types import OffsetAndTimestamp, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Admin"]

_TIMEOUT_S = 60.0


class Admin:
    """Thread-safe. Each call returns when the cluster has answered."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        from confluent_kafka.admin import AdminClient

        # Its log lines would go to standard error.
        self._client = AdminClient({**settings, "log_level": "0"})

    def create_topic(self, name: str, partitions: int | None, config: Mapping[str, str]) -> None:
        """With the cluster's own number of partitions when none is given, and its number of copies."""
        from confluent_kafka.admin import NewTopic

        asked = NewTopic(name, -1 if partitions is None else partitions, -1, config=dict(config))
        with admin_errors(topic=name, partition=partitions):
            self._client.create_topics([asked], operation_timeout=_TIMEOUT_S)[name].result()

    def create_partitions(self, name: str, partitions: int) -> None:
        """So many in all."""
        from confluent_kafka.admin import NewPartitions

        with admin_errors(topic=name, partition=partitions):
            asked = [NewPartitions(name, partitions)]
            self._client.create_partitions(asked, operation_timeout=_TIMEOUT_S)[name].result()

    def delete_topic(self, name: str) -> None:
        """With its records."""
        with admin_errors(topic=name):
            self._client.delete_topics([name], operation_timeout=_TIMEOUT_S)[name].result()

    def topic_id(self, name: str) -> str | None:
        """Kafka's topic id."""
        from confluent_kafka import TopicCollection

        with admin_errors(topic=name):
            found = self._client.describe_topics(TopicCollection([name]))[name].result()
        return str(found.topic_id)

    def topic_config(self, name: str) -> TopicConfig:
        """Settings of the topic itself, without the brokers' defaults."""
        from confluent_kafka.admin import ConfigResource, ConfigSource, ResourceType

        asked = ConfigResource(ResourceType.TOPIC, name)
        with admin_errors(topic=name):
            found = self._client.describe_configs([asked])[asked].result()
        own = {
            entry.name: entry.value
            for entry in found.values()
            if entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
            and entry.name in TopicConfig.names
        }
        return parse(TopicConfig, own, foreign=TopicConfig.foreign)

    def set_group_config(self, group: str, values: Mapping[str, str]) -> None:
        """Settings of a group itself, where they are not these already."""
        from confluent_kafka.admin import (
            AlterConfigOpType,
            ConfigEntry,
            ConfigResource,
            ResourceType,
        )

        asked = ConfigResource(ResourceType.GROUP, group)
        with admin_errors(group=group):
            found = self._client.describe_configs([asked])[asked].result()
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in values.items()
            if key not in found or found[key].value != value
        ]
        if entries:
            asked = ConfigResource(ResourceType.GROUP, group, incremental_configs=entries)
            with admin_errors(group=group):
                self._client.incremental_alter_configs([asked])[asked].result()

    def alter_topic_config(self, name: str, values: Mapping[str, str], reset: list[str]) -> None:
        """Set some, set others back to the brokers' defaults."""
        from confluent_kafka.admin import (
            AlterConfigOpType,
            ConfigEntry,
            ConfigResource,
            ResourceType,
        )

        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in values.items()
        ]
        entries += [
            ConfigEntry(key, None, incremental_operation=AlterConfigOpType.DELETE) for key in reset
        ]
        asked = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        with admin_errors(topic=name):
            self._client.incremental_alter_configs([asked])[asked].result()

    def delete_records(self, topic: str, number: int, before: int) -> int:
        """The partition's new first offset."""
        from confluent_kafka import TopicPartition

        where = TopicPartition(topic, number, before)
        with admin_errors(topic=topic, partition=number):
            found = self._client.delete_records([where])[where].result()
        return int(found.low_watermark)

    def groups(self) -> list[str]:
        """Names of all consumer groups, sorted."""
        with admin_errors():
            found = self._client.list_consumer_groups(request_timeout=_TIMEOUT_S).result()
            if found.errors:
                raise found.errors[0]
        return sorted(group.group_id for group in found.valid)

    def committed_partitions(self, group: str) -> list[TopicPartition]:
        """Where a group has committed anything."""
        from confluent_kafka import ConsumerGroupTopicPartitions

        with admin_errors(group=group):
            asked = [ConsumerGroupTopicPartitions(group)]
            found = self._client.list_consumer_group_offsets(asked)[group].result()
        return [
            TopicPartition(p.topic, p.partition) for p in found.topic_partitions if p.offset >= 0
        ]

    def offsets_for_times(
        self, times: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """First record at or after each partition's time; None where there is none."""
        from confluent_kafka import TopicPartition as Place
        from confluent_kafka.admin import OffsetSpec

        asked = {Place(*where): OffsetSpec.for_timestamp(at) for where, at in times.items()}
        out: dict[TopicPartition, OffsetAndTimestamp | None] = {}
        for place, answer in self._client.list_offsets(asked).items() if asked else ():
            with admin_errors(topic=place.topic, partition=place.partition):
                found = answer.result()
            there = found.offset >= 0
            out[TopicPartition(place.topic, place.partition)] = (
                OffsetAndTimestamp(found.offset, found.timestamp) if there else None
            )
        return out
