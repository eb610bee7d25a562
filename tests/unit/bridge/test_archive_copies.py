"""From one archive to another: the same batches, states and groups; followed, kept, as they were at a time."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

import logflume
from logflume import bridge, errors
from logflume.bridge.archive.objects import Objects

from .test_archive import ends, fill, rows

START_MS = 1_700_000_000_000


@pytest.fixture
def first(source, tmp_path) -> bridge.Archive:
    """An archive of three partitions, with a group."""
    fill(source)
    with source.consumer(group="g", enable_auto_commit=False) as consumer:
        consumer.commit({("t", 0): 7, ("t", 2): logflume.OffsetAndMetadata(9, "note")})
    archive = bridge.open_archive(f"file://{tmp_path}/first")
    bridge.mirror(source, archive)
    return archive


def batches(archive: bridge.Archive, topic: str = "t") -> list[bytes]:
    """All bytes of each partition."""
    return [
        b"".join(bytes(partition.fetch(piece)) for piece in partition.pieces)
        for partition in archive[topic]
    ]


def test_a_copy_has_the_same_bytes_settings_and_groups(source, first, store, target):
    second = bridge.open_archive(store)
    reports = bridge.mirror(first, second)
    assert sum(r.records for r in reports if r.topic == "t") == 300
    copy = bridge.open_archive(store)
    assert batches(copy) == batches(first)
    assert copy["t"].config.explicit() == first["t"].config.explicit()
    assert copy["t"].topic_id == first["t"].topic_id
    assert bridge.compare(first, copy, "t") == 300
    bridge.mirror(copy, target)
    assert rows(target) == rows(source)
    with target.consumer(group="g", enable_auto_commit=False) as consumer:
        assert [consumer.committed("t", n) for n in range(3)] == [7, None, 9]


def test_it_goes_on_where_it_ended_and_follows_deletions_and_compaction(source, first, store):
    second = bridge.open_archive(store)
    assert sum(r.records for r in bridge.mirror(first, second, ["t"]) if r.topic == "t") == 300
    for round_ in range(12):
        source.partition("t", round_ % 3).append(b"later %d" % round_, key=b"k")
        bridge.mirror(source, first)
        second = bridge.open_archive(store)
        assert sum(r.records for r in bridge.mirror(first, second) if r.topic == "t") == 1
        assert batches(second) == batches(first)
    source.delete_records({("t", 0): 50})
    source.alter_topic("t", partitions=4, config={"cleanup.policy": "compact"})
    for partition in source["t"]:
        partition.append(b"x", key=b"x")
        partition.roll()
        partition.append(b"last", key=b"l")
    source.compact("t", force=True)
    bridge.mirror(source, first)
    bridge.mirror(first, second)
    assert second.partition("t", 0).start_offset == 50
    assert batches(second) == batches(first)
    assert bridge.compare(source, bridge.open_archive(store), "t") == sum(map(len, rows(source)))


def test_several_objects_of_a_partition_are_compacted_whole(source, store, tmp_path, monkeypatch):
    """A run reader stands behind what it gave, not behind the object that it has fetched."""
    monkeypatch.setattr(sys.modules["logflume.bridge.archive.fill"], "_RUN_BYTES", 1 << 10)
    source.create_topic("t", config={"cleanup.policy": "compact", "retention.ms": -1})
    partition = source.partition("t", 0)
    first = bridge.open_archive(f"file://{tmp_path}/first")
    for i in range(40):
        partition.append_many([bytes(500)] * 20, keys=[b"%d %d" % (i, n) for n in range(20)])
    bridge.mirror(source, first)
    bridge.mirror(first, bridge.open_archive(store))
    partition.append_many([bytes(500)] * 300, keys=[b"%d %d" % (n, 3) for n in range(300)])
    partition.roll()
    partition.append(b"last", key=b"l")
    source.compact("t", force=True)
    bridge.mirror(source, first)
    bridge.mirror(first, bridge.open_archive(store))
    assert batches(bridge.open_archive(store)) == batches(first)


def test_what_the_first_deletes_stays_where_it_is_kept(source, first, store, target):
    second = bridge.open_archive(store)
    bridge.mirror(first, second, keep=True)
    before = rows(source)
    source.delete_records({("t", n): -1 for n in range(3)})
    # More is gone than the copy has seen: what it has stays all the same.
    source.partition("t", 0).append_many([b"never copied"] * 5)
    source.delete_records({("t", 0): -1})
    source.partition("t", 0).append(b"copied")
    bridge.mirror(source, first)
    bridge.mirror(first, second, keep=True)
    assert second.partition("t", 0).start_offset == 0
    bridge.mirror(bridge.open_archive(store), target)
    copied = rows(source)[0]
    assert [r[3] for r in copied] == [b"copied"]
    assert rows(target) == [before[0] + copied, *before[1:]]


def test_a_directory_that_deleted_more_than_was_archived(source, store, target):
    fill(source)
    before = rows(source)
    archive = bridge.open_archive(store)
    bridge.mirror(source, archive, keep=True)
    source.partition("t", 1).append_many([b"never copied"] * 5)
    source.delete_records({("t", 1): -1, ("t", 2): -1})
    source.partition("t", 1).append(b"copied")
    bridge.mirror(source, archive, keep=True)
    assert archive.partition("t", 1).start_offset == 0
    assert bridge.mirror(source, archive)
    assert archive.partition("t", 1).start_offset == source.partition("t", 1).start_offset
    assert ends(archive) == ends(source)
    bridge.mirror(archive, target)
    assert rows(target) == rows(source) == [before[0], rows(source)[1], []]


def test_as_it_was_at_a_time(source, first, store, target):
    second = bridge.open_archive(store)
    until = START_MS + 120  # inside of a batch, in each partition
    bridge.mirror(first, second, until=until)
    wanted = [[row for row in part if row[1] < until] for part in rows(source)]
    assert sum(map(len, wanted)) == 120
    bridge.mirror(bridge.open_archive(store), target)
    assert rows(target) == wanted
    with pytest.raises(errors.CopyDiffers):
        bridge.mirror(first, second, until=until - 20)
    bridge.mirror(first, second)
    bridge.mirror(bridge.open_archive(store), target)
    assert rows(target) == rows(source)


def test_what_cannot_be(source, first, store):
    with pytest.raises(errors.UnsupportedByEngine):
        bridge.mirror(first, bridge.open_archive(first.path))
    with pytest.raises(errors.UnknownTopicOrPartition):
        bridge.mirror(first, bridge.open_archive(store), ["none"])
    bridge.mirror(first, bridge.open_archive(store))
    source.delete_topic("t")
    fill(source, "u")
    other = bridge.open_archive(f"{first.path}-other")
    fill(source)
    bridge.mirror(source, other)
    with pytest.raises(errors.CopyDiffers):
        bridge.mirror(other, bridge.open_archive(store))


def test_damage_in_the_first_is_named_and_not_copied(first, store):
    piece = first.partition("t", 1).pieces[0]
    key = piece.key("t", 1)
    data = bytearray(first.objects.read(key))
    data[len(data) // 2] ^= 1
    first.objects.write(key, bytes(data))
    with pytest.raises(errors.CorruptRecord) as caught:
        bridge.mirror(first, bridge.open_archive(store))
    assert key in str(caught.value)
    assert bridge.open_archive(store).topics() == []


def test_it_follows(source, first, store):
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            bridge.fill(
                bridge.open_archive(first.path), bridge.open_archive(store), follow=True,
                interval_s=0.05, stop=stop,
            )  # fmt: skip
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        for i in range(10):
            source.partition("t", i % 3).append_many([b"%d" % i] * 10)
            bridge.mirror(source, first)
        deadline = time.monotonic() + 60
        while "t" not in (copy := bridge.open_archive(store)) or ends(copy) != ends(source):
            assert time.monotonic() < deadline
            assert not failures
            time.sleep(0.05)
    finally:
        stop.set()
        thread.join(60)
    assert not failures
    assert bridge.compare(first, bridge.open_archive(store), "t") == 400


COPIER = """
import sys
from logflume import bridge
archives = [bridge.open_archive(address) for address in sys.argv[1:]]
print("begun", flush=True)
bridge.fill(*archives, follow=True, interval_s=0.01)
"""


@pytest.mark.crash
def test_killed_at_any_moment_the_copy_is_whole(source, first, tmp_path):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chosen = random.Random(seed)
    second = f"file://{tmp_path}/second"
    for round_ in range(5):
        command = [sys.executable, "-c", COPIER, first.path, second]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        child = subprocess.Popen(command, env=dict(os.environ), **pipes)
        assert child.stdout
        child.stdout.readline()  # however long the interpreter takes to get there
        until = time.monotonic() + chosen.uniform(0, 0.5)
        while time.monotonic() < until and child.poll() is None:
            source.partition("t", round_ % 3).append_many([bytes(1000)] * 200)
            bridge.mirror(source, first)
        child.send_signal(signal.SIGKILL)
        _, said = child.communicate()
        assert b"Error" not in said, said
        copy = bridge.open_archive(second)
        for name in copy.topics():
            assert bridge.compare(first, copy, name) >= 0
    bridge.mirror(first, bridge.open_archive(second))
    assert batches(bridge.open_archive(second)) == batches(first)


def test_comparing_reads_each_object_once(first, store, monkeypatch):
    """Taking an object apart for each of its batches would be quadratic."""
    second = bridge.open_archive(store)
    bridge.mirror(first, second)
    count = 0
    read = Objects.read

    def counted(self, key, *range_):
        nonlocal count
        count += key.startswith("data/")
        return read(self, key, *range_)

    monkeypatch.setattr(Objects, "read", counted)
    copies = [bridge.open_archive(a.path) for a in (first, second)]
    assert bridge.compare(*copies, "t") == 300
    assert count <= sum(len(p.pieces) for copy in copies for p in copy["t"])
