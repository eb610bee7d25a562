"""Clients find the broker and its topics."""

from __future__ import annotations

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

import logflume
from logflume.broker import ThreadedBroker


def test_librdkafka_sees_the_cluster_and_its_topics(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    log.create_topic("clicks", partitions=3)
    seen = AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=60)
    assert seen.cluster_id == log.directory.meta.cluster_id
    assert [f"{b.host}:{b.port}" for b in seen.brokers.values()] == [broker.bootstrap]
    assert sorted(seen.topics["clicks"].partitions) == [0, 1, 2]


def test_librdkafka_lists_all_topics_from_any_client(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    """Its request for all topics has three bytes too many when the client is no AdminClient, as when it is one."""
    log.create_topic("t")
    for client in (Producer, AdminClient):
        seen = client({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        assert set(seen.list_topics(timeout=60).topics) == {"t"}


def test_a_topic_that_a_producer_asks_for_is_made(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "allow.auto.create.topics": True})
    admin.list_topics("made", timeout=60)
    assert log.topics() == ["made"]


def test_a_topic_made_by_another_process_is_seen(broker: ThreadedBroker, log: logflume.Log) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    assert not admin.list_topics(timeout=60).topics
    with logflume.open(log.path) as other:
        other.create_topic("late")
    assert "late" in admin.list_topics(timeout=60).topics
