"""Properties that Flume's Kafka source, channel and sink have in common."""

from __future__ import annotations

from logflume.agent.kafka.properties import Clients, read_clients
from logflume.agent.options import ComponentConfig, family, needed, setting
from logflume.config.kinds import Bool, Text

__all__ = ["KafkaConfig", "PartitionConfig"]

_OLD = "Offsets are in Kafka since 0.9; there is nothing in ZooKeeper to fetch."


class KafkaConfig(ComponentConfig, table="Kafka component"):
    """Where the cluster is."""

    bootstrap_servers: str = needed(
        "kafka.bootstrap.servers",
        Text(),
        doc="The cluster: `host:port`, several with commas.",
        also=("brokerList",),
    )
    migrate_zookeeper_offsets: bool = setting(
        "migrateZookeeperOffsets", True, Bool(), doc="Fetch old offsets.", no_effect=_OLD
    )
    zookeeper_connect: str | None = setting(
        "zookeeperConnect", None, Text(), doc="Where ZooKeeper is.", no_effect=_OLD
    )
    producer_options: dict[str, str] = family(
        "kafka.producer.", doc="Options of Kafka's producer, by Java's names or librdkafka's."
    )
    consumer_options: dict[str, str] = family(
        "kafka.consumer.", doc="Options of Kafka's consumer, by Java's names or librdkafka's."
    )

    def clients(self) -> Clients:
        """Both families, as the clients here take them. Raises InvalidConfig."""
        return read_clients(self.producer_options, self.consumer_options)

    def check_component(self) -> None:
        self.clients()


class PartitionConfig(ComponentConfig, table="Kafka partitions"):
    """Which partition an event goes to."""

    partition_id_header: str | None = setting(
        "partitionIdHeader", None, Text(), doc="The header whose value is an event's partition."
    )
    default_partition_id: str | None = setting(
        "defaultPartitionId",
        None,
        Text(),
        doc="The partition of all other events. Without it Kafka's partitioner decides, by the key.",
    )
