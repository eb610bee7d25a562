"""The Kafka channel: a topic of a cluster between sources and sinks, of one agent or of several."""

from __future__ import annotations

from logflume.agent.channels.channel import Channel, Taker
from logflume.agent.events import EventBatch
from logflume.agent.kafka.config import KafkaConfig, PartitionConfig
from logflume.agent.kafka.events import Destinations, keys_of, values_of
from logflume.agent.kafka.properties import address_of
from logflume.agent.kafka.undecodable import events_or_aside
from logflume.agent.options import setting
from logflume.agent.registry import channel
from logflume.agent.rpc.avro_events import decode_datum
from logflume.client.log import open_log
from logflume.config.kinds import INT_MAX, Bool, Duration, Int, Text
from logflume.errors import InvalidConfig, InvalidRecord, UnknownTopicOrPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading

    from logflume._native.columns import RecordBatch
    from logflume.client.consumer import Consumer
    from logflume.client.log import Log
    from logflume.client.producer import Producer

__all__ = ["KafkaChannel", "KafkaChannelConfig"]

_KEY = "key"


class KafkaChannelConfig(KafkaConfig, PartitionConfig, table="Kafka channel"):
    """Flume guide, "Kafka Channel"."""

    topic: str = setting(
        "kafka.topic",
        "flume-channel",
        Text(),
        doc="The topic; made with the cluster's defaults when it is missing.",
        also=("topic",),
    )
    group: str = setting(
        "kafka.consumer.group.id",
        "flume",
        Text(),
        doc="The group that shares the topic's events: sinks of this agent, and of others.",
        also=("groupId",),
    )
    start: str = setting(
        "kafka.consumer.auto.offset.reset",
        "earliest",
        Text(),
        doc="Where a new group begins. Flume's guide says latest, its code has earliest.",
    )
    parse_as_flume_event: bool = setting(
        "parseAsFlumeEvent",
        True,
        Bool(),
        doc="Records are Flume events in Avro; false: values are bodies, and there are no headers.",
    )
    poll_timeout: int = setting(
        "kafka.pollTimeout",
        500,
        Duration(),
        doc="Longest wait of a take.",
        no_effect="A take waits until something comes, or the agent stops.",
    )
    capacity: int = setting(
        "capacity", INT_MAX, Int(), doc="Events.", no_effect="The cluster has no bound of its own."
    )
    transaction_capacity: int = setting(
        "transactionCapacity",
        INT_MAX,
        Int(),
        doc="Events of a transaction.",
        no_effect="A put may have any number.",
    )
    keep_alive: int = setting(
        "keep-alive", 3, Int(), doc="Seconds to wait for room.", no_effect="There is always room."
    )

    def check_component(self) -> None:
        super().check_component()
        number = self.default_partition_id
        if number is not None and not number.isdecimal():
            raise InvalidConfig(
                name="defaultPartitionId", value=number, reason="must be a partition's number"
            )
        if self.start not in ("earliest", "latest", "none"):
            raise InvalidConfig(
                name="kafka.consumer.auto.offset.reset",
                value=self.start,
                reason="must be earliest, latest or none",
            )


@channel("org.apache.flume.channel.kafka.KafkaChannel")
class KafkaChannel(Channel):
    """At least once, and outlives the machine. May stand without a source (others write to it) or without a sink."""

    Config = KafkaChannelConfig
    is_durable = True

    def setup(self) -> None:
        config = self.config
        self._log: Log | None = None
        self._producer: Producer | None = None
        self._takers: list[_KafkaTaker] = []
        number = config.default_partition_id
        self._where = Destinations(
            config.topic,
            None,
            config.partition_id_header,
            None if number is None else int(number),
        )

    @property
    def log_of(self) -> Log:
        """The cluster; connected to by the first call."""
        if self._log is None:
            address = address_of(self.config.bootstrap_servers)
            self._log = open_log(address, **self.config.clients().connection)
        return self._log

    def reserve(self, batch: EventBatch, stopping: threading.Event) -> None:
        """Write it: nothing behind this may fail. What is not put after all is there nevertheless: at least once."""
        self.counters.add("EventPutAttemptCount", len(batch))
        if self._producer is None:
            options = {"acks": "all", **self.config.clients().producer}
            self._producer = self.log_of.producer(**options)
        for topic, partition, events in self._where.split(batch):
            values = values_of(events, in_avro=self.config.parse_as_flume_event)
            keys = keys_of(events, _KEY)
            try:
                self._producer.send_many(topic, values, keys, partition)
            except UnknownTopicOrPartition as error:
                if error.partition is not None:
                    raise
                self.log_of.create_topic(topic)
                self._producer.send_many(topic, values, keys, partition)
        self._producer.flush()

    def unreserve(self, batch: EventBatch) -> None:
        """Nothing to give back."""

    def put(self, batch: EventBatch) -> None:
        self.counters.add("EventPutSuccessCount", len(batch))

    def taker(self) -> Taker:
        made = _KafkaTaker(self)
        self._takers.append(made)
        return made

    def consumer(self) -> Consumer:
        """A member of the group."""
        config = self.config
        if config.topic not in self.log_of.topics():
            self.log_of.create_topic(config.topic)
        options = {"auto_offset_reset": config.start, **config.clients().consumer}
        return self.log_of.consumer(
            config.topic, group=config.group, enable_auto_commit=False, **options
        )

    def events(self, records: RecordBatch) -> EventBatch:
        """Records as they were put, or as others wrote them. Raises InvalidRecord, with the place."""
        if not self.config.parse_as_flume_event:
            batch = EventBatch(records.values)
            keys = records.keys.tolist()
            if all(key is None for key in keys):
                return batch
            column = [None if key is None else key.decode("utf-8", "replace") for key in keys]
            return batch.with_header(_KEY, column)
        rows = []
        for row, value in enumerate(records.values.tolist()):
            try:
                rows.append(decode_datum(value or b""))
            except InvalidRecord as error:
                where = f"{records.topic}-{records.partitions[row]}@{records.offsets[row]}"
                raise InvalidRecord(
                    reason=f"{where} {error.reason}; parseAsFlumeEvent=false takes it as it is"
                ) from None
        return EventBatch.of_rows(rows)

    def wake(self) -> None:
        for taker in self._takers:
            taker.wake()

    def close(self) -> None:
        for taker in self._takers:
            taker.close()
        if self._producer is not None:
            self._producer.close()
            self._producer = None
        if self._log is not None:
            self._log.close()
            self._log = None


class _KafkaTaker(Taker):
    def __init__(self, owner: KafkaChannel) -> None:
        self._owner = owner
        self._consumer: Consumer | None = None
        self._taken = 0
        self._began: dict[tuple[str, int], int] = {}

    def take(self, max_events: int, timeout: float) -> EventBatch | None:
        if self._consumer is None:
            self._consumer = self._owner.consumer()
        records = self._consumer.poll_batch(timeout, max_events)
        if records is None:
            return None
        topic = self._owner.config.topic
        for number in sorted(set(records.partitions.tolist())):
            first = int(records.offsets[records.partitions == number].min())
            self._began.setdefault((topic, number), first)
        self._taken += len(records)
        self._owner.counters.add("EventTakeAttemptCount", len(records))
        return events_or_aside(records, self._owner.events, self.put_aside)

    def commit(self, note: str | None) -> None:
        self._kept = note
        self._began = {}
        count, self._taken = self._taken, 0
        if not count or self._consumer is None:
            return
        self._consumer.commit()
        self._owner.counters.add("EventTakeSuccessCount", count)

    def rollback(self) -> None:
        began, self._began = self._began, {}
        self._taken = 0
        if self._consumer is None:
            return
        for (topic, number), offset in began.items():
            # What went to another member is read there, from what this one committed.
            if (topic, number) in self._consumer.assignment():
                self._consumer.seek(topic, number, offset)

    def wake(self) -> None:
        """End a take that waits."""
        if self._consumer is not None:
            self._consumer.wakeup()

    def close(self) -> None:
        """Leave the group."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
