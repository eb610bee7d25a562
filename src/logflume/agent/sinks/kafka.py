"""Events into Kafka's topics, each of them once."""

from __future__ import annotations

import uuid

from logflume.agent.components import Sink
from logflume.agent.kafka.config import KafkaConfig, PartitionConfig
from logflume.agent.kafka.events import Destinations, keys_of, values_of
from logflume.agent.kafka.properties import address_of
from logflume.agent.options import family, setting
from logflume.agent.registry import sink
from logflume.client.log import open_log
from logflume.config.kinds import Acks, Bool, Int, Text
from logflume.errors import InvalidConfig, LogflumeError, UnknownTopicOrPartition
from logflume.types import OffsetAndMetadata, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.events import EventBatch
    from logflume.client.consumer import Consumer
    from logflume.client.log import Log
    from logflume.client.producer import Producer
    from logflume.client.transactions import Transaction

__all__ = ["KafkaSink", "KafkaSinkConfig"]

_KEY = "key"
_OFFSETS = TopicPartition("__consumer_offsets", 0)
_TAKE_MAX = 10_000
_SETTLE_S = 0.1


class KafkaSinkConfig(KafkaConfig, PartitionConfig, table="Kafka sink"):
    """Flume guide, "Kafka Sink"."""

    topic: str = setting(
        "kafka.topic",
        "default-flume-topic",
        Text(),
        doc="The topic; may have `%{header}`. Made with the cluster's defaults when it is missing.",
        also=("topic",),
    )
    batch_size: int = setting(
        "flumeBatchSize",
        100,
        Int(min=1),
        doc="Events of a take.",
        also=("kafka.flumeBatchSize", "batchSize"),
    )
    exactly_once: bool = setting(
        "exactlyOnce",
        True,
        Bool(),
        doc="From a file channel: Kafka's transactions, ten a second at most, so that each event is in the topics once."
        " All replicas acknowledge then, and the user needs the right to transactional ids and groups that begin"
        " with `logflume-agent.`.",
        origin="logflume",
    )
    acks: int = setting(
        "kafka.producer.acks",
        1,
        Acks(),
        doc="Who acknowledges, where there are no transactions: 0, 1, all.",
        also=("requiredAcks",),
    )
    use_flume_event_format: bool = setting(
        "useFlumeEventFormat",
        False,
        Bool(),
        doc="Values are whole events in Avro, headers included; without, they are the bodies.",
    )
    allow_topic_override: bool = setting(
        "allowTopicOverride", True, Bool(), doc="A header may name another topic."
    )
    topic_header: str = setting(
        "topicHeader",
        "topic",
        Text(),
        doc="That header's name. A Kafka source sets it: events go back where they came from.",
    )
    timestamp_header: str | None = setting(
        "timestampHeader", None, Text(), doc="The header with the record's time, in ms."
    )
    headers: dict[str, str] = family(
        "header.", doc="A record header for each: the event header named first, by the name given."
    )

    def check_component(self) -> None:
        super().check_component()
        number = self.default_partition_id
        if number is not None and not number.isdecimal():
            raise InvalidConfig(
                name="defaultPartitionId", value=number, reason="must be a partition's number"
            )


@sink("org.apache.flume.sink.kafka.KafkaSink")
class KafkaSink(Sink):
    """Bodies are values, the header `key` is the key. From a file channel each event is there once.

    What a settling covers is one transaction of Kafka's, and with it the channel's place: as the metadata of an offset
    of a group that nobody reads by. Group and transactional id bear an id that the channel keeps, so that agents of one
    name on many machines do not fence each other.
    """

    Config = KafkaSinkConfig

    def setup(self) -> None:
        self._id = ""
        self._known = False
        self._log: Log | None = None
        self._producer: Producer | None = None
        self._consumer: Consumer | None = None
        self._transaction: Transaction | None = None
        self._count = 0
        config = self.config
        if config.exactly_once:
            self.settle_interval_s = _SETTLE_S
        number = config.default_partition_id
        self._where = Destinations(
            config.topic,
            config.topic_header if config.allow_topic_override else None,
            config.partition_id_header,
            None if number is None else int(number),
        )

    @property
    def take_max(self) -> int:
        return max(self.batch_size, _TAKE_MAX)

    @property
    def _once(self) -> bool:
        return self.channel_is_durable and bool(self.config.exactly_once)

    # ---- what the runner calls

    def restore(self, note: str | None) -> None:
        """What was not committed is taken back."""
        self._drop()
        self._known = note is not None
        self._id = note or uuid.uuid4().hex

    def note(self) -> str | None:
        return self._id if self._once else None

    def stored_place(self) -> str | None:
        if not self._once or not self._known:
            return None
        self._connect()
        assert self._consumer is not None
        entry = self._consumer.committed_entry(_OFFSETS)
        if entry is None:
            return None
        self._count = entry.offset
        return entry.metadata or None

    def write(self, batch: EventBatch) -> None:
        producer = self._connect()
        if self._once and self._transaction is None:
            self._transaction = producer.transaction()
        self._count += len(batch)
        for topic, partition, events in self._where.split(batch):
            self._send(producer, topic, partition, events)

    def settle_at(self, place: str | None) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is None:
            if self._producer is not None:
                self._producer.flush()
            return
        try:
            if place is not None and self._consumer is not None:
                entry = OffsetAndMetadata(self._count, place)
                transaction.send_offsets(self._consumer, {_OFFSETS: entry})
        except BaseException:
            transaction.abort()
            raise
        transaction.commit()

    def close(self) -> None:
        self._drop()
        if self._log is not None:
            self._log.close()
            self._log = None

    # ---- records

    def _send(
        self, producer: Producer, topic: str, partition: int | None, batch: EventBatch
    ) -> None:
        values = values_of(batch, in_avro=self.config.use_flume_event_format)
        keys, times, headers = keys_of(batch, _KEY), self._times(batch), self._headers(batch)
        try:
            producer.send_many(topic, values, keys, partition, times, headers)
        except UnknownTopicOrPartition as error:
            if error.partition is not None or self._log is None:
                raise
            self._log.create_topic(topic)
            producer.send_many(topic, values, keys, partition, times, headers)

    def _times(self, batch: EventBatch) -> list[int | None] | None:
        name = self.config.timestamp_header
        if name is None:
            return None
        column = batch.header(name)
        wrong = sum(1 for value in column if value is not None and not value.isdecimal())
        if wrong:
            self.log.warning("no_timestamp", sink=self.name, header=name, events=wrong)
        return [int(v) if v is not None and v.isdecimal() else None for v in column]

    def _headers(self, batch: EventBatch) -> list[list[tuple[str, bytes]]] | None:
        mapped = self.config.headers
        if not mapped:
            return None
        return [
            [(theirs, row[ours].encode()) for ours, theirs in mapped.items() if ours in row]
            for row in batch.rows()
        ]

    # ---- connections

    def _connect(self) -> Producer:
        """Connected when there is something to do, so that an agent starts while a cluster is down."""
        if self._producer is not None:
            return self._producer
        clients = self.config.clients()
        if self._log is None:
            address = address_of(self.config.bootstrap_servers)
            self._log = open_log(address, **clients.connection)
        if not self._once:
            self._producer = self._log.producer(**{"acks": self.config.acks, **clients.producer})
            return self._producer
        name = f"logflume-agent.{self.context.agent}.{self.name}.{self._id}"
        # The producer first: it settles what one that died left open, so that the place is known.
        producer = self._log.producer(
            **{**clients.producer, "acks": "all", "transactional_id": name}
        )
        try:
            self._consumer = self._log.consumer(
                group=name, enable_auto_commit=False, **clients.consumer
            )
        except BaseException:
            producer.close()
            raise
        self._producer = producer
        return producer

    def _drop(self) -> None:
        """Begin anew: a producer that failed may be fenced, or in doubt about its transaction."""
        transaction, self._transaction = self._transaction, None
        producer, self._producer = self._producer, None
        consumer, self._consumer = self._consumer, None
        for end in (
            transaction.abort if transaction is not None else None,
            producer.close if producer is not None else None,
            consumer.close if consumer is not None else None,
        ):
            if end is None:
                continue
            try:
                end()
            except (
                LogflumeError
            ) as error:  # what it was for comes again; the next try says what is wrong
                self.log.debug("dropped", sink=self.name, error=error)
