"""The fixtures that the package brings, and faults on request."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

import logflume
from logflume.broker import ThreadedBroker

INSIDE = """
import time
from confluent_kafka import Producer

def test_one(logflume_broker):
    producer = Producer({"bootstrap.servers": logflume_broker.bootstrap})
    producer.produce("t", b"x")
    assert producer.flush(60) == 0
    assert logflume_broker.log.partition("t", 0).read(0).value == b"x"

def test_another_has_a_directory_of_its_own(logflume_broker):
    assert logflume_broker.log.topics() == []

def test_shared(logflume_broker_session):
    logflume_broker_session.log.create_topic("kept")

def test_shared_again(logflume_broker_session):
    assert logflume_broker_session.log.topics() == ["kept"]
"""


def test_the_fixtures_work_in_a_project_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "test_inside.py").write_text(INSIDE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "logflume.integrations.pytest_plugin"]
    done = subprocess.run(
        [*command, "-c", "/dev/null", "--rootdir", str(tmp_path), "test_inside.py"],
        cwd=tmp_path,
        # Other plug-ins' packages would be rewritten as they are imported; kio imports hypothesis.
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert "4 passed" in done.stdout, done.stdout + done.stderr


def test_a_dropped_answer_is_asked_for_again_and_written_once(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    log.create_topic("t")
    sender = Producer(
        {"bootstrap.servers": broker.bootstrap, "enable.idempotence": True, "log_level": 0}
    )
    sender.produce("t", b"before")
    assert sender.flush(60) == 0
    broker.broker.faults.drop("PRODUCE")
    sender.produce("t", b"dropped")
    assert sender.flush(60) == 0
    assert [r.value for r in log.partition("t", 0).read_batch(0)] == [b"before", b"dropped"]


def test_a_request_dropped_unserved_is_written_when_it_is_sent_again(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    log.create_topic("t")
    sender = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    broker.broker.faults.drop("PRODUCE", times=2, unserved=True)
    sender.produce("t", b"x")
    assert sender.flush(60) == 0
    assert log.partition("t", 0).end_offset == 1


def test_a_delay_holds_up_the_answer(broker: ThreadedBroker, log: logflume.Log) -> None:
    log.create_topic("t")
    sender = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0})
    sender.list_topics(timeout=60)
    broker.broker.faults.delay(0.7, "PRODUCE")
    start = time.monotonic()
    sender.produce("t", b"x")
    assert sender.flush(60) == 0
    assert time.monotonic() - start >= 0.7


def test_a_wrong_leader_makes_clients_look_and_come_again(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    log.create_topic("t")
    sender = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    broker.broker.faults.wrong_leader(times=2)
    sender.produce("t", b"x")
    assert sender.flush(60) == 0
    broker.broker.faults.wrong_leader(times=2)
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "g", "log_level": 0})
    consumer.assign([TopicPartition("t", 0, 0)])
    message = consumer.poll(10)
    consumer.close()
    assert message.value() == b"x"


def test_refused_connections(broker: ThreadedBroker, log: logflume.Log) -> None:
    broker.broker.faults.refuse()
    client = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    with pytest.raises(Exception) as caught:  # noqa: PT011 - librdkafka raises its own
        client.list_topics(timeout=1)
    assert caught.value.args[0].code() == KafkaError._TRANSPORT
    broker.broker.faults.clear()
    assert client.list_topics(timeout=60).brokers
