"""Tables while the engine compacts their topic."""

from __future__ import annotations

import threading

import pytest

import logflume
from logflume import errors
from logflume.client.table import partition_state


@pytest.fixture
def log(tmp_path):
    with logflume.open(tmp_path / "data") as opened:
        config = {"cleanup.policy": "compact", "segment.bytes": 1024}
        opened.create_topic("t", config=config)
        opened.create_topic("gone", config={**config, "delete.retention.ms": 0})
        yield opened


def send(log, topic, *rows):
    with log.producer(acks=1, linger_ms=0) as producer:
        for key, value in rows:
            producer.send(topic, value, key=key).result(60)


def compact(log, topic):
    """Seals what there is and compacts it, twice: a tombstone outlives the pass that first sees it."""
    removed = 0
    for _ in range(2):
        log.partition(topic, 0).roll()
        removed += sum(report.records_removed for report in log.compact(topic, force=True))
    return removed


def test_a_long_value_that_compaction_took_has_a_newer_one(log):
    with log.table("t", follow="manual", inline_bytes_max=4) as table:
        send(log, "t", (b"k", b"long value"), (b"other", b"other value"))
        table.refresh()
        send(log, "t", (b"k", b"longer value"), (b"other", None))
        assert compact(log, "t") == 2
        assert table.positions == {0: 2}, "has not read on"
        assert dict(table.items()) == {b"k": b"longer value"}
        assert table.positions == {0: 4}
        assert table.get(b"other") is None


def test_a_tombstone_that_compaction_took_is_not_missed(log):
    with log.table("gone", follow="manual") as table:
        send(log, "gone", (b"a", b"1"), (b"b", b"1"))
        table.refresh()
        heard = []
        table.on_change(lambda *change: heard.append(change))
        send(log, "gone", (b"a", None), (b"b", b"2"))
        compact(log, "gone")
        assert log.partition("gone", 0).read(0).offset == 3, "nothing tells of `a` any more"
        table.refresh()
        assert dict(table) == {b"b": b"2"}
        assert sorted(heard) == [(b"a", b"1", None), (b"b", b"1", b"2")]


def test_nor_by_a_checkpoint(log):
    send(log, "gone", (b"a", b"1"), (b"b", b"1"))
    with log.table("gone") as table:
        table.checkpoint()
    send(log, "gone", (b"a", None), (b"c", b"1"))
    compact(log, "gone")
    with log.table("gone") as table:
        assert dict(table) == {b"b": b"1", b"c": b"1"}


def test_compaction_below_its_position_costs_a_table_nothing(log, monkeypatch):
    read = []
    rebuild = partition_state.PartitionState._rebuild
    with log.table("t") as table:
        send(log, "t", *((b"%d" % (i % 7), b"%d" % i) for i in range(200)))
        table.refresh()
        monkeypatch.setattr(
            partition_state.PartitionState,
            "_rebuild",
            lambda *given: read.append(1) or rebuild(*given),
        )
        compact(log, "t")
        send(log, "t", (b"new", b"1"))
        table.refresh()
        assert read == []
        assert len(table) == 8


@pytest.mark.parametrize("topic", ["t", "gone"])
def test_tables_writers_and_compaction_at_once(log, topic):
    ended = threading.Event()
    failures = []

    def guarded(work):
        def run():
            try:
                work()
            except Exception as error:
                failures.append(error)
                ended.set()

        return threading.Thread(target=run)

    def write(name):
        with log.table(topic, acks=1, checkpoint=False, inline_bytes_max=6) as table:
            for i in range(400):
                key = b"%s-%d" % (name, i % 20)
                if i % 3:
                    table.put(key, b"value %d" % i)
                    assert table[key] == b"value %d" % i
                else:
                    table.delete(key)
                    assert key not in table
            table.flush()

    def clean():
        while not ended.is_set():
            compact(log, topic)

    def look():
        with log.table(topic, follow="background", checkpoint=False, inline_bytes_max=6) as table:
            mirror = {}
            table.on_change(lambda key, _old, new: mirror.__setitem__(key, new), replay=True)
            while not ended.is_set():
                assert len(dict(table.items())) <= 40
            table.refresh()
            assert {k: v for k, v in mirror.items() if v is not None} == dict(table.items())

    writers = [guarded(lambda n=n: write(n)) for n in (b"a", b"b")]
    others = [guarded(clean), guarded(look)]
    for thread in [*writers, *others]:
        thread.start()
    for thread in writers:
        thread.join(60)
    ended.set()
    for thread in others:
        thread.join(60)
    assert failures == []
    last = {}
    for i in range(400):
        last[i % 20] = b"value %d" % i if i % 3 else None
    with log.table(topic, checkpoint=False) as table:
        assert dict(table) == {
            b"%s-%d" % (name, n): value
            for name in (b"a", b"b")
            for n, value in last.items()
            if value
        }


def test_reading_anew_starts_over_when_the_log_is_compacted_meanwhile(log, monkeypatch):
    send(log, "gone", (b"a", b"1"), (b"b", b"1"), (b"a", None))
    log.partition("gone", 0).roll()
    read_all, times = partition_state.PartitionState._read_all, []

    def disturbed(self):
        found = read_all(self)
        times.append(1)
        if len(times) == 1:
            found[0][b"a"] = b"1"  # as if read before a tombstone that is gone by now
            compact(log, "gone")
        return found

    monkeypatch.setattr(partition_state.PartitionState, "_read_all", disturbed)
    with log.table("gone") as table:
        assert dict(table) == {b"b": b"1"}
        assert len(times) == 2


def test_a_log_that_never_stands_still_is_an_error(log, monkeypatch):
    stamps = iter(range(100))
    monkeypatch.setattr(
        partition_state.PartitionState, "_sealed", lambda _self: [(0, next(stamps))]
    )
    with pytest.raises(errors.RecoveryFailed, match="compacted during each of 10"):
        log.table("gone")
    with log.table("t") as table:
        assert dict(table) == {}, "where tombstones are kept, it need not stand still"
