"""Where a producer's records go: partitioners, keyless records, and many at once in every form."""

from __future__ import annotations

import time
from collections import Counter

import numpy
import pytest

import logflume
from logflume import errors
from logflume._native.hashing import murmur2
from support.producing import records_of, spread, values_of

# What Kafka's own unit test says of its murmur2.
KAFKA_MURMUR2 = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.fixture
def log(tmp_path):
    with logflume.open(tmp_path / "data") as opened:
        opened.create_topic("t", partitions=4)
        opened.create_topic("one", partitions=1)
        yield opened


# ---- partitioners


@pytest.mark.parametrize("key", KAFKA_MURMUR2)
def test_keys_go_where_kafka_puts_them(log, key):
    log.create_topic("seven", partitions=7)
    with log.producer(acks=1) as producer:
        place = producer.send("seven", b"x", key=key).result()
        producer.send_many("seven", [b"y"], keys=[key])
    assert place.partition == (KAFKA_MURMUR2[key] & 0x7FFFFFFF) % 7
    assert spread(log, "seven")[place.partition] == 2


def test_send_and_send_many_agree_on_every_keys_partition(log):
    keys = [b"key-%d" % i for i in range(1000)]
    with log.producer(acks=1) as producer:
        for key in keys:
            producer.send("t", key, key=key)
        producer.flush()
        producer.send_many("t", keys, keys=keys)
    for number, partition in enumerate(log["t"]):
        mine = [key for key in keys if (murmur2(key) & 0x7FFFFFFF) % 4 == number]
        assert values_of(log, "t", number) == mine + mine, partition


def test_xxh3_spreads_keys_and_keeps_each_in_one_partition(log):
    with log.producer(acks=1, partitioner="xxh3") as producer:
        places = {i: set() for i in range(200)}
        for _ in range(2):
            for i, seen in places.items():
                seen.add(producer.send("t", b"x", key=b"%d" % i).result().partition)
    assert all(len(seen) == 1 for seen in places.values())
    assert min(Counter(next(iter(seen)) for seen in places.values()).values()) > 20


def test_round_robin_changes_with_each_record(log):
    with log.producer(acks=1, partitioner="round_robin") as producer:
        for i in range(40):
            producer.send("t", b"x", key=b"same" if i % 2 else None)
    assert spread(log) == [10, 10, 10, 10]


@pytest.mark.parametrize(("partitioner", "key"), [("murmur2", None), ("sticky", b"same")])
def test_records_without_a_say_stay_for_a_batch_and_move_on(log, partitioner, key):
    with log.producer(
        acks=1, linger_ms=60_000, batch_size=2000, partitioner=partitioner
    ) as producer:
        for _ in range(400):
            producer.send("t", b"x" * 90, key=key)
        changes = sum(d != 0 for d in spread(log))
        assert changes == 4
        producer.flush()
    assert sum(spread(log)) == 400
    assert max(spread(log)) - min(spread(log)) <= 25


def test_single_awaited_records_without_key_are_spread(log):
    with log.producer(acks=1) as producer:
        for _ in range(40):
            producer.send("t", b"x").result()
    assert spread(log) == [10, 10, 10, 10]


def test_partitions_added_elsewhere_are_found(log):
    with log.producer(acks=1) as producer, logflume.open(log.path) as other:
        producer.send("t", b"x").result()
        other.alter_topic("t", partitions=5)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                assert producer.send("t", b"x", partition=4).result().offset == 0
                break
            except errors.UnknownTopicOrPartition:
                time.sleep(0.05)
                producer.send("t", b"keeps the ticker going", partition=0).result()
        else:
            pytest.fail("the new partition was never found")


# ---- send_many


def arrow_of(values):
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.array(values, pyarrow.binary())


FORMS = {
    "list": list,
    "tuple": tuple,
    "numpy bytes": lambda values: numpy.array(values, "S3"),
    "numpy objects": lambda values: numpy.array(values, object),
    "arrow": arrow_of,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("keyed", [False, True])
def test_send_many_in_every_form(log, form, keyed):
    values = [b"%03d" % (i % 1000) for i in range(5000)]
    given = FORMS[form](values)
    with log.producer() as producer:
        assert producer.send_many("t", given, keys=given if keyed else None) == 5000
    found = [value for number in range(4) for value in values_of(log, "t", number)]
    assert sorted(found) == sorted(values)
    assert all(end > 0 for end in spread(log))


def test_send_many_with_everything(log):
    now = time.time_ns() // 1_000_000
    with log.producer(acks=1) as producer:
        producer.send("one", b"before")
        producer.send_many(
            "one",
            [b"a", None, bytearray(b"c")],
            keys=[None, b"k", b""],
            timestamps=[now, None, now + 2],
            headers=[None, [("h", b"1")], []],
        )
        producer.send("one", b"after")
    records = records_of(log)
    assert [r.value for r in records] == [b"before", b"a", None, b"c", b"after"]
    assert [r.key for r in records[1:4]] == [None, b"k", b""]
    assert [r.headers for r in records[1:4]] == [[], [("h", b"1")], []]
    assert (records[1].timestamp, records[3].timestamp) == (now, now + 2)
    assert abs(records[2].timestamp - now) < 60_000


@pytest.mark.parametrize("form", ["list", "numpy", "arrow"])
def test_send_many_takes_timestamps_in_any_form(log, form):
    now = time.time_ns() // 1_000_000
    stamps = [now + i for i in range(5)]
    if form == "numpy":
        given = numpy.array(stamps)
    elif form == "arrow":
        given = pytest.importorskip("pyarrow").array(stamps)
    else:
        given = stamps
    with log.producer(acks=1) as producer:
        producer.send_many("one", [b"x"] * 5, timestamps=given)
    assert [record.timestamp for record in records_of(log)] == stamps


def test_send_many_of_nothing(log):
    with log.producer() as producer:
        assert producer.send_many("t", []) == 0
        assert producer.send_many("t", [], keys=[]) == 0
    assert spread(log) == [0, 0, 0, 0]


@pytest.mark.parametrize("columns", [{"keys": [b"k"]}, {"timestamps": [1]}, {"headers": [None]}])
def test_send_many_with_columns_of_another_length(log, columns):
    with log.producer(acks=1) as producer, pytest.raises(ValueError, match="2 values"):
        producer.send_many("one", [b"a", b"b"], **columns)
    assert values_of(log) == []


def test_records_without_a_key_among_keyed_ones_move_on_to_other_partitions(tmp_path):
    with logflume.open(tmp_path / "data") as log:
        log.create_topic("t", partitions=4)
        with log.producer(acks=1) as producer:
            producer.send_many("t", [b"x" * 100] * 40_000, keys=[None] * 40_000)
        assert all(partition.end_offset > 2000 for partition in log["t"])
