"""The producer: order, durability levels, batches, bad input, threads, its end."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

import logflume
from logflume import errors
from support.producing import batches_of, records_of, spread, values_of

LONG_MS = 60_000  # a linger that no test waits for


@pytest.fixture
def log(tmp_path):
    with logflume.open(tmp_path / "data") as opened:
        opened.create_topic("t", partitions=4)
        opened.create_topic("one", partitions=1)
        yield opened


# ---- records


def test_a_record_comes_out_as_it_went_in(log):
    with log.producer() as producer:
        now = time.time_ns() // 1_000_000
        place = producer.send(
            "one", b"value", key=b"key", headers=[("h", b"x"), ("h", None)], timestamp=now - 5
        ).result(timeout=60)
    assert place == logflume.RecordMetadata("one", 0, 0, now - 5)
    record = log.partition("one", 0).read(0)
    assert (record.value, record.key, record.timestamp) == (b"value", b"key", now - 5)
    assert record.headers == [("h", b"x"), ("h", None)]


def test_order_and_offsets_are_those_of_the_sends(log):
    with log.producer(acks=1, batch_size=1000) as producer:
        deliveries = [producer.send("one", b"%d" % i) for i in range(3000)]
        assert [d.result().offset for d in deliveries] == list(range(3000))
    assert values_of(log) == [b"%d" % i for i in range(3000)]


@pytest.mark.parametrize(
    "value", [None, b"", b"x", bytearray(b"ab"), memoryview(b"abc"), b"y" * 500_000]
)
@pytest.mark.parametrize("key", [None, b"", bytearray(b"k")])
def test_bytes_like_and_null(log, value, key):
    with log.producer(acks=1) as producer:
        producer.send("one", value, key=key).result()
    record = log.partition("one", 0).read(0)
    assert record.value == (None if value is None else bytes(value))
    assert record.key == (None if key is None else bytes(key))


def test_headers_as_a_mapping_a_generator_and_text_names(log):
    with log.producer(acks=1) as producer:
        producer.send("one", b"1", headers={"a": b"1", "ä": b""})
        producer.send("one", b"2", headers=((name, b"v") for name in "xy"))
        producer.send("one", b"3", headers=[])
    assert [record.headers for record in records_of(log)] == [
        [("a", b"1"), ("ä", b"")],
        [("x", b"v"), ("y", b"v")],
        [],
    ]


def test_a_timestamp_is_now_without_one(log):
    before = time.time_ns() // 1_000_000
    with log.producer(acks=1) as producer:
        stamp = producer.send("one", b"x").result().timestamp
    assert before <= stamp <= time.time_ns() // 1_000_000 + 1


def test_log_append_time_is_the_logs(log):
    log.create_topic("stamped", partitions=1, config={"message.timestamp.type": "LogAppendTime"})
    with log.producer(acks=1) as producer:
        stamp = producer.send("stamped", b"x", timestamp=1).result().timestamp
    assert stamp > 1_600_000_000_000
    assert log.partition("stamped", 0).read(0).timestamp == stamp


# ---- bad input


@pytest.mark.parametrize("what", ["text", 5, object()])
def test_a_value_or_key_that_is_no_bytes(log, what):
    with log.producer(acks=1) as producer:
        with pytest.raises(TypeError):
            producer.send("one", what)
        with pytest.raises(TypeError):
            producer.send("one", b"x", key=what)
        producer.send("one", b"good")
    assert values_of(log) == [b"good"]


@pytest.mark.parametrize("topic", [None, 5, b"one", ["one"]])
def test_a_topic_that_is_no_text(log, topic):
    with log.producer(acks=1) as producer, pytest.raises(TypeError):
        producer.send(topic, b"x")


def test_unknown_topics_and_partitions(log):
    with log.producer(acks=1) as producer:
        with pytest.raises(errors.UnknownTopicOrPartition):
            producer.send("none", b"x")
        for number in (-1, 4):
            with pytest.raises(errors.UnknownTopicOrPartition):
                producer.send("t", b"x", partition=number)
            with pytest.raises(errors.UnknownTopicOrPartition):
                producer.send_many("t", [b"x"], partition=number)
        with pytest.raises(errors.UnknownTopicOrPartition):
            producer.partitions_for("none")
        assert producer.partitions_for("t") == 4
    assert spread(log) == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "headers", [["x"], [("a",)], [("a", "text")], [(5, b"x")], 5, [("a", b"x", b"y")]]
)
def test_headers_that_are_none(log, headers):
    with log.producer(acks=1) as producer:
        with pytest.raises((errors.InvalidRecord, TypeError)):
            producer.send("one", b"x", headers=headers)
        producer.send("one", b"good")
    assert values_of(log) == [b"good"]


def test_a_record_larger_than_max_request_size(log):
    with log.producer(acks=1, max_request_size=1000) as producer:
        producer.send("one", b"before")
        for value, key in ((b"x" * 1000, None), (None, b"x" * 1000), (b"x" * 500, b"x" * 500)):
            with pytest.raises(errors.RecordTooLarge) as caught:
                producer.send("one", value, key=key)
            assert (caught.value.limit, caught.value.property) == (1000, "max.request.size")
        with pytest.raises(errors.RecordTooLarge):
            producer.send("one", b"x", headers=[("h", b"y" * 1000)])
        producer.send("one", b"after")
    assert values_of(log) == [b"before", b"after"]


def test_a_record_larger_than_the_topic_takes(log):
    log.create_topic("small", partitions=1, config={"max.message.bytes": 1000})
    with log.producer(acks=1) as producer:
        producer.send("small", b"before")
        with pytest.raises(errors.RecordTooLarge) as caught:
            producer.send("small", b"x" * 1000)
        assert (caught.value.limit, caught.value.property) == (1000, "max.message.bytes")
        for size in range(800, 904, 5):
            producer.send("small", b"x" * size)
    assert len(values_of(log, "small")) == 22


def test_timestamps_outside_of_what_the_topic_allows(log):
    limits = {"message.timestamp.before.max.ms": 1000, "message.timestamp.after.max.ms": 1000}
    log.create_topic("strict", partitions=1, config=limits)
    now = time.time_ns() // 1_000_000
    with log.producer(acks=1) as producer:
        for stamp in (now - 60_000, now + 60_000):
            with pytest.raises(errors.InvalidTimestamp):
                producer.send("strict", b"x", timestamp=stamp)
            with pytest.raises(errors.InvalidTimestamp):
                producer.send_many("strict", [b"x", b"y"], timestamps=[now, stamp])
        producer.send("strict", b"good", timestamp=now)
    assert values_of(log, "strict") == [b"good"]


def test_options_that_are_wrong(log):
    with pytest.raises(errors.UnknownConfig, match=r"linger\.ms"):
        log.producer(linger_mss=5)
    with pytest.raises(errors.InvalidConfig):
        log.producer(acks=2)


# ---- durability levels and batches


def test_acks_0_promises_nothing(log):
    producer = log.producer(acks=0, linger_ms=LONG_MS)
    delivery = producer.send("one", b"x")
    assert delivery.done()
    assert delivery.result() == ("one", 0, -1, delivery.result().timestamp)
    assert log.partition("one", 0).end_offset == 0
    producer.close()
    assert values_of(log) == [b"x"]


def test_acks_1_publishes(log):
    producer = log.producer(acks=1, linger_ms=LONG_MS)
    delivery = producer.send("one", b"x")
    assert not delivery.done()
    assert delivery.result(timeout=60).offset == 0
    assert log.partition("one", 0).end_offset == 1


def test_acks_all_is_on_disk(log):
    producer = log.producer(acks="all")
    for _ in range(3):
        offset = producer.send("one", b"x").result().offset
        assert log.partition("one", 0).durable_offset > offset
    producer.send_many("t", [b"x"] * 10_000)
    assert all(partition.durable_offset == partition.end_offset for partition in log["t"])
    for i in range(100):
        producer.send("t", b"x", key=b"%d" % i)
    producer.flush()
    assert all(partition.durable_offset == partition.end_offset for partition in log["t"])


def test_a_batch_closes_when_it_has_lingered(log):
    producer = log.producer(acks=1, linger_ms=20)
    delivery = producer.send("one", b"x")
    assert not delivery.done()
    deadline = time.monotonic() + 60
    while not delivery.done() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert delivery.offset == 0


def test_linger_0_appends_each_record(log):
    producer = log.producer(acks=1, linger_ms=0)
    assert [producer.send("one", b"x").offset for _ in range(3)] == [0, 1, 2]


def test_a_full_batch_is_appended_by_the_send_that_finds_it_full(log):
    producer = log.producer(acks=1, linger_ms=LONG_MS, batch_size=1000)
    deliveries = [producer.send("one", b"x" * 90) for _ in range(100)]
    done = [delivery.done() for delivery in deliveries]
    assert done[:80] == [True] * 80
    assert not done[-1]
    producer.flush()
    assert all(delivery.done() for delivery in deliveries)
    assert all(batch.size <= 1000 for batch in batches_of(log))


def test_a_sleeping_reader_ends_linger(log):
    producer = log.producer(acks=1, linger_ms=LONG_MS)
    consumer = log.consumer("one", auto_offset_reset="earliest")
    threading.Timer(0.05, lambda: producer.send("one", b"x")).start()
    began = time.monotonic()
    assert [record.value for record in consumer.poll(timeout=60)] == [b"x"]
    assert time.monotonic() - began < 30


def test_publish_appends_without_waiting_for_the_disk(log):
    producer = log.producer(acks="all", linger_ms=LONG_MS)
    producer.send("one", b"x")
    producer.publish()
    assert values_of(log) == [b"x"]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_the_producers_codec(log, codec):
    with log.producer(acks=1, compression_type=codec) as producer:
        for _ in range(100):
            producer.send("one", b"compressible " * 10)
        producer.flush()
        producer.send_many("one", [b"compressible " * 10] * 100)
    assert values_of(log) == [b"compressible " * 10] * 200
    assert {batch.codec_name for batch in batches_of(log)} == {codec}


def test_the_topics_codec_wins(log):
    log.create_topic("packed", partitions=1, config={"compression.type": "zstd"})
    with log.producer(acks=1, compression_type="lz4") as producer:
        producer.send("packed", b"x" * 1000).result()
        producer.send_many("packed", [b"x" * 1000])
    assert [batch.codec_name for batch in batches_of(log, "packed")] == ["zstd", "zstd"]


# ---- failures


def test_what_nobody_asked_for_comes_out_of_flush(log, tmp_path):
    producer = log.producer(acks=1, linger_ms=LONG_MS)
    delivery = producer.send("one", b"x")
    log.partition("one", 0).close()
    with pytest.raises(errors.Closed):
        producer.flush()
    producer.flush()  # told once
    with pytest.raises(errors.Closed):
        delivery.result()
    assert isinstance(delivery.exception(), errors.Closed)
    assert delivery.done()


def test_a_failure_that_was_asked_for_is_not_told_again(log):
    producer = log.producer(acks=1, linger_ms=LONG_MS)
    delivery = producer.send("one", b"x")
    log.partition("one", 0).close()
    with pytest.raises(errors.Closed):
        delivery.result()
    producer.close()


# ---- threads


@pytest.mark.parametrize("acks", [1, "all"])
def test_threads_share_a_producer(log, acks):
    """Each thread's records keep their order, and each delivery has its own record's offset."""
    places = {}

    def work(name):
        mine = []
        for i in range(50):
            value = b"%d %d" % (name, i)
            mine.append((producer.send("t", value, partition=i % 2).result(timeout=60), value))
        places[name] = mine

    with log.producer(acks=acks) as producer:
        threads = [threading.Thread(target=work, args=(name,)) for name in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(places) == list(range(16))
    for mine in places.values():
        for place, value in mine:
            assert log.partition("t", place.partition).read(place.offset).value == value
        for number in (0, 1):
            offsets = [place.offset for place, _ in mine if place.partition == number]
            assert offsets == sorted(offsets)


def test_threads_send_flush_and_publish_at_once(log):
    """Nothing is lost or doubled, and each thread's order holds, while batches are closed under its hands."""
    stop = threading.Event()

    def send(name):
        for i in range(4000):
            producer.send(
                "one", b"%d %d" % (name, i), headers=[("h", b"x")] if i % 7 == 0 else None
            )

    def disturb(call):
        while not stop.is_set():
            call()

    with log.producer(acks=1, linger_ms=1, batch_size=2000) as producer:
        senders = [threading.Thread(target=send, args=(name,)) for name in range(4)]
        others = [
            threading.Thread(target=disturb, args=(call,))
            for call in (producer.flush, producer.publish)
        ]
        for thread in senders + others:
            thread.start()
        for thread in senders:
            thread.join()
        stop.set()
        for thread in others:
            thread.join()
    values = values_of(log)
    assert len(values) == 16_000
    for name in range(4):
        mine = [int(value.split()[1]) for value in values if value.split()[0] == b"%d" % name]
        assert mine == list(range(4000))


# ---- life


def test_close_flushes_and_refuses_and_may_be_called_again(log):
    producer = log.producer(acks="all", linger_ms=LONG_MS)
    delivery = producer.send("one", b"x")
    producer.close()
    assert delivery.offset == 0
    producer.close()
    with pytest.raises(errors.Closed):
        producer.send("one", b"y")
    with pytest.raises(errors.Closed):
        producer.send_many("one", [b"y"])
    producer.flush()
    assert values_of(log) == [b"x"]


def test_closing_the_log_flushes(tmp_path):
    log = logflume.open(tmp_path / "data")
    log.create_topic("one", partitions=1)
    log.producer(acks=1, linger_ms=LONG_MS).send("one", b"forgotten producer")
    log.close()
    with logflume.open(tmp_path / "data") as again:
        assert values_of(again) == [b"forgotten producer"]


def run(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def test_the_end_of_the_program_flushes(tmp_path):
    code = """if True:
        import logflume, sys
        log = logflume.open(sys.argv[1])
        log.create_topic("one", partitions=1)
        producer = log.producer(acks=1, linger_ms=60_000)
        for i in range(10):
            producer.send("one", b"%d" % i)
    """
    run(code, tmp_path / "data")
    with logflume.open(tmp_path / "data") as log:
        assert values_of(log) == [b"%d" % i for i in range(10)]
        assert all(report.clean for report in log.recovery())


def test_a_forked_child_sends_its_own_and_not_its_parents(tmp_path):
    code = """if True:
        import os, sys, logflume
        log = logflume.open(sys.argv[1])
        log.create_topic("one", partitions=1)
        producer = log.producer(acks=1, linger_ms=60_000)
        mine = producer.send("one", b"parent")
        if os.fork() == 0:
            try:
                mine.result(timeout=60)
            except logflume.errors.Closed:
                producer.send("one", b"child").result(timeout=60)
            log.close()
            os._exit(0)
        assert os.wait()[1] == 0
        mine.result(timeout=60)
        log.close()
    """
    run(code, tmp_path / "data")
    with logflume.open(tmp_path / "data") as log:
        assert sorted(values_of(log)) == [b"child", b"parent"]


def test_threads_that_send_first_at_once_keep_their_order(log):
    """Each used to open the topic for itself, and what it put there came after what it sent next."""
    for _ in range(10):
        start = log["one"][0].end_offset
        with log.producer(acks=1, linger_ms=1, batch_size=2000) as producer:
            barrier = threading.Barrier(4)

            def send(name, producer=producer, barrier=barrier):
                barrier.wait()
                for i in range(300):
                    producer.send("one", b"%d %d" % (name, i))

            threads = [threading.Thread(target=send, args=(name,)) for name in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        values = [v.split() for v in values_of(log)[start:]]
        for name in range(4):
            assert [int(i) for n, i in values if int(n) == name] == list(range(300))


@pytest.mark.parametrize("linger_ms", [5, 60_000])
def test_what_was_sent_is_appended_though_log_and_producer_were_dropped(tmp_path, linger_ms):
    code = f"""if True:
        import gc, logflume, sys

        def tell(value):
            log = logflume.open(sys.argv[1])
            log.create_topic("one", exist_ok=True)
            log.producer(linger_ms={linger_ms}).send("one", value)

        tell(b"a")
        gc.collect()
        tell(b"b")
        gc.collect()
    """
    run(code, tmp_path / "data")
    with logflume.open(tmp_path / "data") as log:
        assert sorted(values_of(log)) == [b"a", b"b"]
