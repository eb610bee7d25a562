"""Topics: making, altering, deleting, and errors by type."""

from __future__ import annotations

import pytest

import logflume
from logflume import errors


def test_topics_are_made_listed_and_deleted(log, name):
    topic = log.create_topic(name, partitions=4, config={"compression.type": "lz4"})
    assert (topic.name, len(topic)) == (name, 4)
    assert name in log
    assert name in log.topics()
    assert log.topics() == sorted(log.topics())
    assert len(log[name].topic_id) == 22
    log.delete_topic(name)
    assert name not in log
    assert name not in log.topics()


def test_a_topic_is_made_once(log, name):
    log.create_topic(name, partitions=2)
    with pytest.raises(errors.TopicExists) as caught:
        log.create_topic(name)
    assert (caught.value.topic, caught.value.code) == (name, 36)
    assert len(log.create_topic(name, exist_ok=True)) == 2


def test_settings_are_kept_and_altered(log, name):
    log.create_topic(name, partitions=1, config={"retention.ms": 86_400_000})
    assert log[name].config.retention_ms == 86_400_000
    log.alter_topic(name, partitions=3, config={"retention.ms": None, "segment.bytes": 2 << 20})
    assert len(log[name]) == 3
    explicit = log.describe_topic(name).config.explicit()
    assert explicit == {"segment.bytes": 2 << 20}


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (errors.InvalidTopicName, {"name": "a/b"}),
        (errors.InvalidTopicName, {"name": "__consumer_offsets"}),
        (errors.InvalidPartitions, {"partitions": 0}),
        (errors.UnknownConfig, {"config": {"retentoin.ms": 1}}),
        (errors.InvalidConfig, {"config": {"retention.ms": "soon"}}),
    ],
)
def test_what_a_topic_cannot_have(log, name, kind, arguments):
    with pytest.raises(kind):
        log.create_topic(arguments.pop("name", name), **arguments)
    assert name not in log


def test_partitions_are_not_taken_away(log, name):
    log.create_topic(name, partitions=2)
    with pytest.raises(errors.InvalidPartitions):
        log.alter_topic(name, partitions=1)


def test_unknown_topics_are_one_error(log, name):
    for call in (
        lambda: log[name],
        lambda: log.delete_topic(name),
        lambda: log.alter_topic(name, partitions=2),
        lambda: log.describe_topic(name),
        lambda: log.partition(name, 0),
        lambda: log.consumer(name),
    ):
        with pytest.raises(errors.UnknownTopicOrPartition) as caught:
            call()
        assert caught.value.topic == name
    log.create_topic(name, partitions=1)
    with pytest.raises(errors.UnknownTopicOrPartition) as caught:
        log.partition(name, 1)
    assert caught.value.partition == 1


def test_a_closed_log_says_so(address):
    log = logflume.open(address)
    log.close()
    log.close()
    assert log.closed
    for call in (log.topics, log.producer, log.consumer):
        with pytest.raises(errors.Closed):
            call()


def test_records_are_deleted_up_to_an_offset(log, name):
    log.create_topic(name, partitions=1)
    partition = log.partition(name, 0)
    partition.append_many([b"%d" % i for i in range(10)])
    assert log.delete_records({(name, 0): 4}) == {(name, 0): 4}
    assert (partition.start_offset, partition.end_offset) == (4, 10)
    with pytest.raises(errors.OffsetOutOfRange) as caught:
        partition.read(3)
    assert (caught.value.start_offset, caught.value.end_offset) == (4, 10)
    assert log.delete_records({(name, 0): -1}) == {(name, 0): 10}
