"""A table as a mapping: reading, writing, other writers, callbacks, waiting."""

from __future__ import annotations

import pytest

import logflume
from logflume import errors
from logflume._native.hashing import murmur2
from logflume._native.partition_log import arm_failpoints
from logflume.client.table import JSON, TEXT, Serde, Table


def home(key, count=4):
    return (murmur2(key) & 0x7FFFFFFF) % count


def key_of(partition):
    return next(key for i in range(100) if home(key := b"key-%d" % i) == partition)


def test_what_was_put_can_be_got_by_this_table_and_another(log):
    with log.table("t") as table, log.table("t") as other:
        for i in range(100):
            table.put(b"%d" % i, b"v%d" % i)
        assert {k: table[k] for k in table} == {b"%d" % i: b"v%d" % i for i in range(100)}
        table.flush()
        assert dict(other) == dict(table.items())
        assert len(other) == 100
        assert other.positions == {n: log.partition("t", n).end_offset for n in range(4)}


def test_mapping_methods(log):
    with log.table("t") as table:
        table.put(b"a", b"1")
        table.put(b"b", b"2")
        table.put(b"c", b"3")
        table.delete(b"c")
        assert (b"a" in table, b"c" in table, b"x" in table) == (True, False, False)
        assert (table.get(b"a"), table.get(b"c"), table.get(b"c", b"no")) == (b"1", None, b"no")
        assert len(table) == 2
        assert sorted(table) == sorted(table.keys()) == [b"a", b"b"]
        assert sorted(table.values()) == [b"1", b"2"]
        assert sorted(table.items()) == [(b"a", b"1"), (b"b", b"2")]
        assert (b"a", b"1") in table.items()
        assert table == {b"a": b"1", b"b": b"2"}
        with pytest.raises(KeyError, match="b'c'"):
            table[b"c"]


def test_keys_and_values_are_bytes_unless_a_serde_says_otherwise(log):
    with log.table("t") as table:
        table.put(bytearray(b"k"), memoryview(b"v"))
        assert table[memoryview(b"k")] == b"v"
        for call in (lambda: table["k"], lambda: "k" in table, lambda: table.put(b"k", "v")):
            with pytest.raises(TypeError, match="bytes, not str"):
                call()
        with pytest.raises(TypeError, match="NoneType"):
            table.put(b"k", None)


def test_serdes(log):
    with log.table("t", key_serde=TEXT, value_serde=JSON) as table:
        table.put("anna", {"age": 7, "tags": ["ä"]})
        table.put("otto", None)  # JSON's null is a value, no tombstone
        assert table["otto"] is None
        table.refresh()
        seen = []
        table.on_change(lambda *change: seen.append(change))
        table.put("anna", 1)
        table.delete("otto")
        table.refresh()
        assert dict(table) == {"anna": 1}
        assert sorted(seen, key=str) == [
            ("anna", {"age": 7, "tags": ["ä"]}, 1),
            ("otto", None, None),
        ]
    numbers = Serde(lambda n: n.to_bytes(8, "big"), lambda raw: int.from_bytes(raw, "big"))
    with log.table("one", key_serde=numbers, value_serde=(str.encode, bytes.decode)) as table:
        for n in (300, 2, 40000):
            table.put(n, str(n))
        assert list(table.scan()) == [(2, "2"), (300, "300"), (40000, "40000")]
        assert list(table.scan(b"\0" * 6 + b"\x01")) == [(300, "300")]


def test_scan_by_prefix_is_ordered_and_bounded(log):
    with log.table("t") as table:
        for name in (b"b2", b"a1", b"b1", b"b3", b"c", b"\xff\xff"):
            table.put(name, name.upper())
        assert [k for k, _ in table.scan()] == [b"a1", b"b1", b"b2", b"b3", b"c", b"\xff\xff"]
        assert list(table.scan(b"b", limit=2)) == [(b"b1", b"B1"), (b"b2", b"B2")]
        assert [k for k, _ in table.scan("b")] == [b"b1", b"b2", b"b3"]
        assert list(table.scan(b"\xff")) == [(b"\xff\xff", b"\xff\xff")]
        assert list(table.scan(b"zz")) == []


def test_records_without_key_are_left_out(log):
    with log.producer() as producer, log.table("one") as table:
        producer.send("one", b"no key")
        producer.send("one", b"v", key=b"")
        producer.send("one", b"w", key=b"k")
        producer.flush()
        assert dict(table) == {b"": b"v", b"k": b"w"}


@pytest.mark.parametrize("announced", [False, True])
def test_the_last_record_of_a_key_wins_within_a_batch_too(log, announced):
    rows = [
        (b"a", b"1"),
        (b"b", b"1"),
        (b"a", None),
        (b"b", None),
        (b"b", b"2"),
        (None, b"x"),
        (b"c", None),
        (None, None),
        (b"d", b"1"),
        (b"d", b"2"),
        (b"d", None),
    ]
    with log.table("one") as table, log.producer() as producer:
        if announced:
            table.on_change(lambda *_: None)
        producer.send_many("one", [v for _, v in rows], [k for k, _ in rows])
        assert dict(table) == {b"b": b"2"}
        assert len(table) == 1


def test_own_writes_show_before_they_are_published(log):
    with log.table("t", linger_ms=60_000, follow="manual") as table:
        table.put(b"a", b"1")
        table.put(b"b", b"1")
        table.put(b"a", b"2")
        table.delete(b"b")
        ends = [log.partition("t", n).end_offset for n in range(4)]
        assert ends == [0, 0, 0, 0], "nothing is in the log yet"
        assert dict(table) == {b"a": b"2"}
        assert (len(table), table.get(b"b"), list(table.scan())) == (1, None, [(b"a", b"2")])
        assert table.refresh() == 4
        assert dict(table) == {b"a": b"2"}
        assert not any(state.pending for state in table.core.states.values())


def test_a_manual_table_changes_only_when_told(log):
    with log.table("one", follow="manual") as table, log.producer() as producer:
        producer.send("one", b"v", key=b"k").result(60)
        assert b"k" not in table
        assert table.refresh() == 1
        assert table[b"k"] == b"v"


def test_others_writes_win_when_they_come_later_in_the_log(log):
    with log.table("one") as mine, log.table("one") as other:
        mine.put(b"k", b"mine")
        mine.flush()
        other.put(b"k", b"other")
        other.flush()
        assert mine[b"k"] == other[b"k"] == b"other"


def test_a_write_that_fails_does_not_show(log):
    with log.table("one", linger_ms=60_000) as table:
        with pytest.raises(errors.RecordTooLarge):
            table.put(b"k", b"x" * 2_000_000)
        assert dict(table) == {}
        delivery = table.put(b"k", b"v")
        arm_failpoints("append.write:1:raise")
        try:
            with pytest.raises(errors.LogflumeError) as caught:
                table.flush()
        finally:
            arm_failpoints("")
        assert delivery.exception() is caught.value
        table.refresh()
        assert dict(table) == {}


def test_long_values_stay_in_the_log(log):
    with log.table("one", inline_bytes_max=10) as table:
        table.put(b"short", b"x" * 10)
        table.put(b"long", b"y" * 11)
        table.put(b"long2", b"z" * 100_000)
        table.refresh()
        assert [type(v) for v in table.core.states[0].entries.values()] == [bytes, int, int]
        assert dict(table.items()) == {
            b"short": b"x" * 10,
            b"long": b"y" * 11,
            b"long2": b"z" * 100_000,
        }
        assert table[b"long"] == b"y" * 11
        seen = []
        table.on_change(lambda *change: seen.append(change))
        table.put(b"long", b"w" * 12)
        table.delete(b"long")
        table.refresh()
        assert seen == [(b"long", b"y" * 11, b"w" * 12), (b"long", b"w" * 12, None)]


def test_a_subset_of_the_partitions(log):
    with log.table("t") as whole, log.table("t", partitions=[1, 3]) as part:
        for i in range(100):
            whole.put(b"%d" % i, b"v")
        whole.flush()
        held = {b"%d" % i for i in range(100) if home(b"%d" % i) in (1, 3)}
        assert set(part) == held
        assert part.positions.keys() == {1, 3}
        part.put(key_of(3), b"new").result(60)
        assert whole[key_of(3)] == b"new"
        with pytest.raises(errors.InvalidRecord, match=r"partition 0 of t.*holds 1, 3"):
            part.put(key_of(0), b"v")
        with pytest.raises(errors.UnknownTopicOrPartition):
            log.table("t", partitions=[4])


def test_a_key_outside_its_home_is_found_and_home_comes_first(log):
    with log.table("t") as table, log.producer() as producer:
        key = key_of(2)
        producer.send("t", b"elsewhere", key=key, partition=0).result(60)
        assert table[key] == b"elsewhere"
        table.put(key, b"home")
        assert table[key] == b"home"
        table.delete(key)
        assert table[key] == b"elsewhere"
        table.delete(key, partition=0)
        assert key not in table


def test_xxh3_places_keys_as_the_producer_does(log):
    with log.table("t", partitioner="xxh3") as table:
        deliveries = {b"%d" % i: table.put(b"%d" % i, b"v") for i in range(50)}
        table.flush()
        with log.producer(partitioner="xxh3") as producer:
            for key, delivery in deliveries.items():
                theirs = producer.send("t", b"w", key=key).result(60)
                assert theirs.partition == delivery.result(60).partition
        assert set(table.values()) == {b"w"}


def test_partitions_that_are_added_are_taken_in(log):
    with log.table("one") as table, log.table("one", partitions=[0]) as subset:
        table.put(b"a", b"1")
        table.refresh()
        log.alter_topic("one", partitions=3)
        with log.producer() as producer:
            producer.send("one", b"2", key=b"b", partition=2).result(60)
        table.refresh()
        subset.refresh()
        assert dict(table) == {b"a": b"1", b"b": b"2"}
        assert dict(subset) == {b"a": b"1"}


def test_delete_records_takes_keys_away_and_announces_it(log):
    with log.table("one") as table:
        for i in range(10):
            table.put(b"%d" % i, b"v")
        table.put(b"0", b"again")
        table.refresh()
        seen = []
        table.on_change(lambda *change: seen.append(change))
        log.delete_records({("one", 0): 8})
        table.refresh()
        assert dict(table) == {b"8": b"v", b"9": b"v", b"0": b"again"}
        assert seen == [(b"%d" % i, b"v", None) for i in range(1, 8)]


def test_delete_records_ahead_of_the_table(log):
    with log.table("one", follow="manual") as table, log.producer() as producer:
        producer.send_many("one", [b"v"] * 10, [b"%d" % i for i in range(10)])
        log.delete_records({("one", 0): 9})
        table.refresh()
        assert dict(table) == {b"9": b"v"}


def test_closed(log):
    table = log.table("t")
    table.put(b"k", b"v")
    table.close()
    table.close()
    assert table.closed
    assert log.table("t")[b"k"] == b"v", "close() flushes"
    calls = (
        lambda: table[b"k"],
        lambda: table.put(b"k", b"v"),
        table.refresh,
        table.flush,
        lambda: len(table),
        lambda: dict(table),
        table.checkpoint,
    )
    for call in calls:
        with pytest.raises(errors.Closed, match="the table t"):
            call()
    assert repr(table) == "<Table t, closed>"
    other = log.table("t")
    log.close()
    assert other.closed
    with pytest.raises(errors.Closed):
        other.get(b"k")


def test_wrong_arguments_are_refused(log):
    with pytest.raises(errors.UnknownTopicOrPartition, match="nobody"):
        log.table("nobody")
    with pytest.raises(errors.UnknownTopicOrPartition):
        log.table("t", partitions=[])
    with pytest.raises(errors.InvalidConfig, match="background"):
        log.table("t", follow="sometimes")
    with pytest.raises(errors.UnknownConfig, match="linger"):
        log.table("t", linger=5)
    with pytest.raises(errors.InvalidConfig, match="round_robin"):
        log.table("t", partitioner="round_robin")


def test_a_deleted_topic_says_so(log):
    with log.table("one") as table:
        table.put(b"k", b"v")
        table.flush()  # what is not acknowledged when the topic goes is lost with it, and close() would say so
        log.delete_topic("one")
        with pytest.raises(errors.LogflumeError):
            table.refresh()


def test_a_read_only_directory_can_be_read(log):
    with log.table("one") as table:
        table.put(b"k", b"v")
    log.close()
    with logflume.open(log.path, read_only=True) as opened, opened.table("one") as table:
        assert dict(table) == {b"k": b"v"}
        with pytest.raises(errors.ReadOnlyDirectory):
            table.put(b"k", b"v")
        with pytest.raises(errors.ReadOnlyDirectory):
            table.checkpoint()


def test_the_type_is_exported():
    assert Table.__module__ == "logflume.client.table.table"
