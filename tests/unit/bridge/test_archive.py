"""Archives in object stores: what goes in comes out, as it is or as it was."""

from __future__ import annotations

import threading
import time

import pytest

import logflume
from logflume import bridge, errors

START_MS = 1_700_000_000_000


def fill(log: logflume.Log, topic: str = "t", count: int = 300, **config: object) -> None:
    """Keys, nulls, headers, times, codecs and transactions, in three partitions."""
    log.create_topic(topic, partitions=3, config={"retention.ms": -1, **config})
    with log.producer(compression_type="lz4") as producer:
        for i in range(count):
            producer.send(
                topic,
                None if i % 50 == 7 else b"value %d" % i,
                key=b"key %d" % (i % 11),
                headers=[("h", b"%d" % i), ("n", None)] if i % 3 == 0 else None,
                timestamp=START_MS + i,
            )


def rows(log, topic: str = "t", **options: object) -> list[list[tuple]]:
    """All records of each partition."""
    out = []
    for number in range(len(log[topic])):
        with log.consumer(auto_offset_reset="earliest", **options) as consumer:
            consumer.assign([(topic, number)])
            found = []
            while records := consumer.poll(0):
                found += [(r.offset, r.timestamp, r.key, r.value, r.headers) for r in records]
            out.append(found)
    return out


def ends(log, topic: str = "t") -> list[int]:
    return [log.partition(topic, n).end_offset for n in range(len(log[topic]))]


def test_what_goes_in_comes_out(source, target, store):
    fill(source)
    archive = bridge.open_archive(store)
    reports = bridge.mirror(source, archive)
    assert sum(r.records for r in reports) == 300
    assert bridge.compare(source, archive, "t") == 300
    assert bridge.open_archive(store).topics() == ["t"]
    bridge.mirror(bridge.open_archive(store), target)
    assert rows(target) == rows(source)
    assert target["t"].config.retention_ms == -1
    assert bridge.compare(archive, target, "t") == 300


def test_both_ways_go_on_where_they_ended(source, target, store):
    fill(source)
    for round_ in range(25):
        source.partition("t", round_ % 3).append(b"later %d" % round_)
        reports = bridge.mirror(source, bridge.open_archive(store))
        assert sum(r.records for r in reports) == (301 if round_ == 0 else 1)
        if round_ % 10 == 0:
            bridge.mirror(bridge.open_archive(store), target)
            assert rows(target) == rows(source)
    archive = bridge.open_archive(store)
    assert max(len(archive.partition("t", n).pieces) for n in range(3)) < 10
    assert bridge.compare(source, archive, "t") == 325
    assert sum(r.records for r in bridge.mirror(archive, target)) == 4
    assert rows(target) == rows(source)


def test_one_topic_of_several_and_more_partitions(source, target, store):
    fill(source, "t")
    fill(source, "u")
    archive = bridge.open_archive(store)
    bridge.mirror(source, archive, ["t"])
    assert archive.topics() == ["t"]
    bridge.mirror(source, archive)
    source.alter_topic("t", partitions=4, config={"retention.ms": 1 << 40})
    source.partition("t", 3).append(b"in the new one")
    bridge.mirror(source, archive)
    bridge.mirror(archive, target, ["t"])
    assert target.topics() == ["t"]
    assert rows(target) == rows(source)
    assert target["t"].config.retention_ms == 1 << 40


def test_groups_come_along(source, target, store):
    fill(source)
    with source.consumer(
        "t", group="g", auto_offset_reset="earliest", enable_auto_commit=False
    ) as consumer:
        consumer.poll(1)
        consumer.commit({("t", 0): 7, ("t", 2): logflume.OffsetAndMetadata(9, "note")})
    archive = bridge.open_archive(store)
    bridge.mirror(source, archive)
    bridge.mirror(archive, target)
    with target.consumer(group="g", enable_auto_commit=False) as consumer:
        assert [consumer.committed("t", n) for n in range(3)] == [7, None, 9]


def test_retention_is_followed_unless_kept(source, target, store):
    fill(source, **{"segment.bytes": 1 << 20})
    archive = bridge.open_archive(store)
    for _ in range(20):
        source.partition("t", 0).append_many([b"x" * 1000] * 10)
        bridge.mirror(source, archive)
    before = len(archive.partition("t", 0).pieces)
    end = source.partition("t", 0).end_offset
    source.delete_records({("t", 0): end - 5, ("t", 1): -1})
    bridge.mirror(source, archive, keep=True)
    assert archive.partition("t", 0).start_offset == 0
    bridge.mirror(source, archive)
    assert archive.partition("t", 0).start_offset == end - 5
    assert len(archive.partition("t", 0).pieces) < before
    bridge.mirror(archive, target)
    assert rows(target) == rows(source)
    assert ends(target) == ends(source)
    assert target.partition("t", 1).start_offset == source.partition("t", 1).start_offset
    # What was deleted before the first copy leaves an end all the same.
    source.create_topic("gone")
    source.partition("gone", 0).append_many([b"x"] * 5)
    source.delete_records({("gone", 0): -1})
    bridge.mirror(source, archive)
    bridge.mirror(archive, target)
    assert (target.partition("gone", 0).start_offset, ends(target, "gone")) == (5, [5])
    assert target.partition("gone", 0).append(b"next") == 5


def test_compaction_is_followed(source, target, store):
    fill(source, **{"cleanup.policy": "compact", "min.cleanable.dirty.ratio": 0})
    archive = bridge.open_archive(store)
    bridge.mirror(source, archive)
    for partition in source["t"]:
        partition.roll()
    for number in range(3):
        source.partition("t", number).append(b"last", key=b"l")
    bridge.mirror(source, archive)
    size = sum(p.size for n in range(3) for p in archive.partition("t", n).pieces)
    source.compact("t", force=True)
    assert sum(map(len, rows(source))) < 50
    source.partition("t", 0).append(b"after it", key=b"a")
    bridge.mirror(source, archive)
    assert sum(p.size for n in range(3) for p in archive.partition("t", n).pieces) < size / 2
    assert bridge.compare(source, archive, "t") == sum(map(len, rows(source)))
    bridge.mirror(bridge.open_archive(store), target)
    assert rows(target) == rows(source)
    assert ends(target) == ends(source)


def test_a_topic_made_anew_is_refused(source, store):
    fill(source)
    bridge.mirror(source, bridge.open_archive(store))
    source.delete_topic("t")
    fill(source)
    with pytest.raises(errors.CopyDiffers):
        bridge.mirror(source, bridge.open_archive(store))


def test_another_log_is_refused(source, target, store):
    fill(source)
    target.create_topic("t", partitions=3)
    for number in range(3):
        target.partition("t", number).append_many([b"of another log"] * 200)
    bridge.mirror(source, bridge.open_archive(store))
    with pytest.raises(errors.CopyDiffers):
        bridge.restore(bridge.open_archive(store), target)


def test_following_there_and_back(source, target, store):
    fill(source)
    stop = threading.Event()
    failures: list[BaseException] = []

    def run(call, *arguments):
        try:
            call(*arguments, follow=True, interval_s=0.05, stop=stop)
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=run, args=(bridge.fill, source, bridge.open_archive(store))),
        threading.Thread(target=run, args=(bridge.restore, bridge.open_archive(store), target)),
    ]
    for thread in threads:
        thread.start()
    try:
        for i in range(30):
            source.partition("t", i % 3).append_many([b"%d" % i] * 10)
            time.sleep(0.01)
        deadline = time.monotonic() + 60
        while "t" not in target or ends(target) != ends(source):
            assert time.monotonic() < deadline
            assert not failures
            time.sleep(0.05)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not failures
    assert rows(target) == rows(source)


def test_a_second_writer_ends_the_first(source, store):
    fill(source)
    archive = bridge.open_archive(store)
    archive.begin()
    bridge.mirror(source, bridge.open_archive(store))
    archive.create_topic("late", partitions=1, config={})
    with pytest.raises(errors.ArchiveTaken):
        archive.commit()
    assert bridge.open_archive(store).topics() == ["t"]


def test_what_cannot_be(source, store, tmp_path):
    archive = bridge.open_archive(store)
    with pytest.raises(errors.UnsupportedByEngine):
        bridge.mirror(archive, archive)
    with pytest.raises(errors.UnsupportedByEngine):
        bridge.mirror(source, archive, until=5)
    with pytest.raises(errors.UnknownTopicOrPartition):
        bridge.mirror(archive, source, ["none"])
    for address in ("s3://bucket/x?secret_access_key=hidden", "s3://me:hidden@bucket/x"):
        with pytest.raises(errors.InvalidConfig) as caught:
            bridge.open_archive(address)
        assert "hidden" not in str(caught.value)
    with pytest.raises(errors.InvalidConfig):
        bridge.open_archive("s3://bucket/x?no_such_option=1")
