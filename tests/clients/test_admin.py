"""Topics, settings, offsets and the cluster as an administrator's client sees and changes them."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)

import logflume
from logflume.broker import ThreadedBroker

START_MS = 1_700_000_000_000


@pytest.fixture
def admin(broker: ThreadedBroker) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.bootstrap})


def outcome(future: Future[Any]) -> int | None:
    """The error code of what was asked, None when it was done."""
    try:
        future.result(60)
    except KafkaException as error:
        code: int = error.args[0].code()
        return code
    return None


def only(futures: dict[Any, Future[Any]]) -> Future[Any]:
    (future,) = futures.values()
    return future


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        (NewTopic("t", 3, 1), None),
        (NewTopic("t", -1, -1), None),
        (NewTopic("t", 2, replica_assignment=[[1], [1]]), None),
        (NewTopic("t", 3, 1, config={"retention.ms": "1000"}), None),
        (NewTopic("there", 1, 1), KafkaError.TOPIC_ALREADY_EXISTS),
        (NewTopic("t", 1, 3), KafkaError.INVALID_REPLICATION_FACTOR),
        (NewTopic("t", 0, 1), KafkaError.INVALID_PARTITIONS),
        (NewTopic("not/a name", 1, 1), KafkaError.TOPIC_EXCEPTION),
        (NewTopic("t", 1, 1, config={"no.such": "1"}), KafkaError.INVALID_CONFIG),
        (NewTopic("t", 1, 1, config={"retention.ms": "x"}), KafkaError.INVALID_CONFIG),
        (NewTopic("t", 1, replica_assignment=[[7]]), KafkaError.INVALID_REPLICA_ASSIGNMENT),
        (NewTopic("__consumer_offsets", 1, 1), KafkaError.TOPIC_EXCEPTION),
    ],
)
def test_topics_are_created_or_refused_as_by_kafka(
    admin: AdminClient, log: logflume.Log, topic: NewTopic, code: int | None
) -> None:
    log.create_topic("there")
    assert outcome(only(admin.create_topics([topic], validate_only=True))) == code
    assert log.topics() == ["there"]
    assert outcome(only(admin.create_topics([topic]))) == code
    assert ("t" in log.topics()) == (code is None)


def test_a_topic_is_described_with_its_id(
    admin: AdminClient, broker: ThreadedBroker, log: logflume.Log
) -> None:
    log.create_topic("t", partitions=3)
    seen = only(admin.describe_topics(TopicCollection(["t"]))).result(60)
    assert [p.id for p in seen.partitions] == [0, 1, 2]
    assert all(p.leader.id == 1 and [n.id for n in p.isr] == [1] for p in seen.partitions)
    assert not seen.is_internal


def test_partitions_are_added_but_never_taken_away(admin: AdminClient, log: logflume.Log) -> None:
    log.create_topic("t", partitions=2)
    assert outcome(only(admin.create_partitions([NewPartitions("t", 5)]))) is None
    assert len(log["t"]) == 5
    for count in (1, 5):
        code = outcome(only(admin.create_partitions([NewPartitions("t", count)])))
        assert code == KafkaError.INVALID_PARTITIONS
    missing = only(admin.create_partitions([NewPartitions("no", 5)]))
    assert outcome(missing) == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_topics_are_deleted(admin: AdminClient, log: logflume.Log) -> None:
    log.create_topic("t")
    assert outcome(only(admin.delete_topics(["t"]))) is None
    assert log.topics() == []
    assert outcome(only(admin.delete_topics(["t"]))) == KafkaError.UNKNOWN_TOPIC_OR_PART
    log.create_topic("t")  # a new one of the same name is another topic, and can be written at once
    assert log.partition("t", 0).end_offset == 0


def test_settings_of_a_topic_are_shown_with_where_they_come_from(
    admin: AdminClient, log: logflume.Log
) -> None:
    log.create_topic("t", config={"retention.ms": 5000})
    shown = only(admin.describe_configs([ConfigResource("topic", "t")])).result(60)
    assert shown["retention.ms"].value == "5000"
    assert shown["retention.ms"].source == 1
    assert not shown["retention.ms"].is_default
    assert shown["cleanup.policy"].value == "delete"
    assert shown["cleanup.policy"].source == 5
    missing = only(admin.describe_configs([ConfigResource("topic", "no")]))
    assert outcome(missing) == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_settings_of_the_broker_are_shown_and_fixed(
    admin: AdminClient, broker: ThreadedBroker
) -> None:
    shown = only(admin.describe_configs([ConfigResource("broker", "1")])).result(60)
    assert shown["node.id"].value == "1"
    assert shown["num.partitions"].value == "1"
    assert shown["num.partitions"].is_read_only
    entry = ConfigEntry("num.partitions", "3", incremental_operation=AlterConfigOpType.SET)
    change = ConfigResource("broker", "1", incremental_configs=[entry])
    assert outcome(only(admin.incremental_alter_configs([change]))) == KafkaError.INVALID_REQUEST


def test_settings_change_one_by_one(admin: AdminClient, log: logflume.Log) -> None:
    log.create_topic("t", config={"retention.ms": 5000, "segment.bytes": 2000})
    entries = [
        ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE),
        ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND),
        ConfigEntry("max.message.bytes", "7000", incremental_operation=AlterConfigOpType.SET),
    ]
    change = ConfigResource("topic", "t", incremental_configs=entries)
    assert outcome(only(admin.incremental_alter_configs([change]))) is None
    assert log["t"].config.strings() == {
        "cleanup.policy": "delete,compact",
        "max.message.bytes": "7000",
        "segment.bytes": "2000",
    }
    entry = ConfigEntry(
        "cleanup.policy", "delete", incremental_operation=AlterConfigOpType.SUBTRACT
    )
    change = ConfigResource("topic", "t", incremental_configs=[entry])
    assert outcome(only(admin.incremental_alter_configs([change]))) is None
    assert log["t"].config.cleanup_policy == ("compact",)


@pytest.mark.filterwarnings("ignore:alter_configs:DeprecationWarning")
def test_settings_are_replaced_as_a_whole(admin: AdminClient, log: logflume.Log) -> None:
    log.create_topic("t", config={"retention.ms": 5000})
    change = ConfigResource("topic", "t", set_config={"segment.bytes": "3000"})
    assert outcome(only(admin.alter_configs([change]))) is None
    assert log["t"].config.strings() == {"segment.bytes": "3000"}


def test_records_are_deleted_up_to_an_offset(
    admin: AdminClient, broker: ThreadedBroker, log: logflume.Log
) -> None:
    log.create_topic("t")
    log.partition("t", 0).append_many([b"x"] * 50)
    deleted = only(admin.delete_records([TopicPartition("t", 0, 20)])).result(60)
    assert deleted.low_watermark == 20
    assert log.partition("t", 0).start_offset == 20
    assert (
        outcome(only(admin.delete_records([TopicPartition("t", 0, 99)])))
        == KafkaError.OFFSET_OUT_OF_RANGE
    )
    assert outcome(only(admin.delete_records([TopicPartition("t", 0, -1)]))) is None
    assert log.partition("t", 0).start_offset == 50


@pytest.mark.parametrize(
    ("wanted", "offset", "timestamp"),
    [
        (OffsetSpec.earliest(), 10, -1),
        (OffsetSpec.latest(), 100, -1),
        (OffsetSpec.max_timestamp(), 70, START_MS + 1_000_000),
        (OffsetSpec.for_timestamp(START_MS + 50_500), 51, START_MS + 51_000),
        (OffsetSpec.for_timestamp(START_MS - 5), 10, START_MS + 10_000),
        (OffsetSpec.for_timestamp(START_MS + 2_000_000), -1, -1),
    ],
)
def test_offsets_are_found_by_time_and_by_special_times(
    admin: AdminClient, log: logflume.Log, wanted: OffsetSpec, offset: int, timestamp: int
) -> None:
    log.create_topic("t", config={"segment.bytes": 2000})
    times = [START_MS + 1000 * i for i in range(100)]
    times[70] = START_MS + 1_000_000
    for time in times:
        log.partition("t", 0).append(b"x" * 50, timestamp=time)
    log.delete_records({("t", 0): 10})
    found = only(admin.list_offsets({TopicPartition("t", 0): wanted})).result(60)
    assert (found.offset, found.timestamp) == (offset, timestamp)


def test_the_cluster_is_one_broker(admin: AdminClient, broker: ThreadedBroker) -> None:
    seen = admin.describe_cluster(include_authorized_operations=True).result(60)
    assert [f"{n.host}:{n.port}" for n in seen.nodes] == [broker.bootstrap]
    assert seen.controller.id == 1
    assert seen.authorized_operations


def test_an_idempotent_producer_gets_an_id_of_its_own(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    from logflume._native.batches import BatchScan

    log.create_topic("t")
    for _ in range(2):
        sender = Producer(
            {"bootstrap.servers": broker.bootstrap, "enable.idempotence": True, "log_level": 0}
        )
        for i in range(10):
            sender.produce("t", b"%d" % i)
        assert sender.flush(60) == 0
    segment = log.partition("t", 0).segments()[0]
    with open(segment.path, "rb") as file:
        batches = list(BatchScan(file.read()[: segment.size]))
    ids = {batch.producer_id for batch in batches}
    assert len(ids) == 2
    assert min(ids) >= 0
    assert {batch.producer_epoch for batch in batches} == {0}


def test_nothing_is_kept_of_deleted_topics(broker: ThreadedBroker, log: logflume.Log) -> None:
    sender = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    for number in range(5):
        log.create_topic(f"t{number}")
        sender.produce(f"t{number}", b"x")
        assert sender.flush(60) == 0
        log.delete_topic(f"t{number}")
    names = set(
        AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=60).topics
    )  # the broker looks
    partitions = broker.broker.partitions
    assert names.isdisjoint({f"t{number}" for number in range(5)})
    assert not partitions._served
    assert not partitions._admissions
