"""What Prometheus is told of a broker, and whether all is well."""

from __future__ import annotations

import re
import threading
import urllib.error
import urllib.request

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

import logflume
from logflume.broker import ThreadedBroker, serve
from logflume.coordinator.group_configs import GroupConfigs
from logflume.errors import InvalidConfig

PUBLIC = ["0.0.0.0:0", "[::]:0", "example.org:9644"]


def get(broker: ThreadedBroker, path: str) -> tuple[int, str]:
    monitor = broker.broker.monitor
    assert monitor is not None
    try:
        with urllib.request.urlopen(f"http://{monitor.address}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples(text: str) -> dict[str, float]:
    """Each sample by its name and labels, as the page shows them."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def test_requests_bytes_partitions_and_lag(log: logflume.Log) -> None:
    log.create_topic("clicks", partitions=2)
    with serve(log, http="127.0.0.1:0") as broker:
        client = {"bootstrap.servers": broker.bootstrap, "log_level": 0}
        producer = Producer(client)
        for _ in range(10):
            producer.produce("clicks", b"x" * 1000, partition=1)
        assert producer.flush(60) == 0
        consumer = Consumer({**client, "group.id": "billing", "enable.auto.commit": False})
        try:
            consumer.assign([TopicPartition("clicks", 1, 0)])
            assert len(consumer.consume(10, timeout=30)) == 10
            consumer.commit(offsets=[TopicPartition("clicks", 1, 4)], asynchronous=False)
            status, text = get(broker, "/metrics")
        finally:
            consumer.close()
    assert status == 200
    found = samples(text)
    assert found["logflume_partition_end_offset{partition=1,topic=clicks}"] == 10
    assert found["logflume_partition_start_offset{partition=1,topic=clicks}"] == 0
    assert found["logflume_group_lag{group=billing,partition=1,topic=clicks}"] == 6
    assert found["logflume_groups{kind=classic,state=Empty}"] == 1
    assert found["logflume_broker_connections{}"] >= 2
    assert found["logflume_broker_accepted_connections_total{}"] >= 2
    assert found["logflume_broker_received_bytes_total{}"] > 10_000
    assert found["logflume_broker_sent_bytes_total{}"] > 10_000
    produced = found["logflume_broker_request_seconds_count{api=PRODUCE}"]
    assert produced >= 1
    assert found["logflume_broker_request_seconds_bucket{api=PRODUCE,le=+Inf}"] == produced
    assert 0 < found["logflume_broker_request_seconds_sum{api=PRODUCE}"] < 60
    assert found["process_resident_memory_bytes{}"] > 1 << 20
    assert re.search(r"^# TYPE logflume_broker_request_seconds histogram$", text, re.MULTILINE)


def test_lag_of_a_share_group_is_what_is_not_done(log: logflume.Log) -> None:
    log.create_topic("work", partitions=2)
    log.partition("work", 0).append_many([b"x"] * 10)
    GroupConfigs(log.directory.path).alter("workers", {"share.auto.offset.reset": "earliest"})
    with log.queue("work", group="workers") as queue, serve(log, http="127.0.0.1:0") as broker:
        for record in queue.poll(max_records=4, timeout=60):
            queue.accept(record)
        queue.commit()
        found = samples(get(broker, "/metrics")[1])
    assert found["logflume_group_lag{group=workers,partition=0,topic=work}"] == 6
    assert found["logflume_group_lag{group=workers,partition=1,topic=work}"] == 0
    assert found["logflume_groups{kind=share,state=Stable}"] == 1


def test_health_says_whether_the_loop_answers(
    log: logflume.Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logflume.broker.metrics._ANSWER_S", 0.2)
    with serve(log, http="127.0.0.1:0") as broker:
        assert get(broker, "/healthz") == (200, "ok\n")
        assert get(broker, "/nothing")[0] == 404
        go_on = threading.Event()
        broker.broker.loop.call_soon_threadsafe(go_on.wait, 30)
        try:
            assert get(broker, "/healthz") == (503, "the event loop does not answer\n")
            assert get(broker, "/metrics")[0] == 503
        finally:
            go_on.set()
        assert get(broker, "/healthz")[0] == 200


def test_what_the_broker_closes_is_counted(log: logflume.Log) -> None:
    import socket

    with serve(log, http="127.0.0.1:0") as broker:
        host, port = broker.bootstrap.split(":")
        with socket.create_connection((host, int(port)), timeout=20) as stranger:
            stranger.sendall(b"\xff\xff\xff\xff")
            assert stranger.recv(1) == b""
        found = samples(get(broker, "/metrics")[1])
    assert found["logflume_broker_closed_connections_total{reason=bad_frame}"] == 1


@pytest.mark.parametrize("address", PUBLIC)
def test_other_machines_see_it_only_when_told(log: logflume.Log, address: str) -> None:
    with pytest.raises(InvalidConfig, match=r"http\.public"):
        serve(log, http=address)


def test_a_taken_address_leaves_nothing_behind(log: logflume.Log) -> None:
    with serve(log, http="127.0.0.1:0") as broker:
        monitor = broker.broker.monitor
        assert monitor is not None
        with pytest.raises(OSError, match="in use"):
            serve(log, http=str(monitor.address))
        assert get(broker, "/healthz")[0] == 200
