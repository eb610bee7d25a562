"""Coming back: from a checkpoint and the tail, or from the log alone when the checkpoint cannot be trusted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import logflume
from logflume import errors
from logflume.client.table import checkpoint_store, partition_state
from support.compacting import compact_closed


@pytest.fixture
def where(tmp_path):
    return tmp_path / "data"


def filled(where: Path, count: int = 1000, **options: object) -> dict[bytes, bytes]:
    """A topic with some keys and a checkpoint; what the table shows."""
    with logflume.open(where) as log:
        log.create_topic("t", config={"cleanup.policy": "compact", "segment.bytes": 4096})
        with log.table("t", **options) as table:
            for i in range(count):
                table.put(b"%d" % (i % 100), b"%d" % i)
            table.delete(b"7")
            table.checkpoint()
            return dict(table)


def checkpoint_of(where: Path) -> Path:
    return where / "t-0" / "logflume.table"


def send(log, *rows, timestamp=None):
    with log.producer() as producer:
        for key, value in rows:
            producer.send("t", value, key=key, timestamp=timestamp)


def test_only_the_tail_is_read(where):
    wanted = filled(where)
    with logflume.open(where) as log:
        send(log, (b"new", b"1"), (b"3", None), (b"4", b"four"))
        with log.table("t", follow="manual") as table:
            assert dict(table) == {
                **{k: v for k, v in wanted.items() if k != b"3"},
                b"new": b"1",
                b"4": b"four",
            }
            assert table.core.states[0].applied == 3, "records read since the checkpoint"


def test_close_saves_what_is_worth_it(where):
    filled(where)
    before = checkpoint_of(where).stat().st_mtime_ns
    with logflume.open(where) as log:
        with log.table("t") as table:
            table.put(b"k", b"v")
        assert checkpoint_of(where).stat().st_mtime_ns == before, (
            "one record is quicker read than saved"
        )
        with log.table("t") as table:
            for i in range(60):
                table.put(b"%d" % i, b"v")
        assert checkpoint_of(where).stat().st_mtime_ns > before
        with log.table("t", follow="manual") as table:
            assert table.core.states[0].applied == 0
            assert len(table) == 101 - 1 + 1


def test_a_checkpoint_counts_for_close_unless_it_failed(where, monkeypatch):
    filled(where)
    with logflume.open(where) as log:
        table = log.table("t")
        for i in range(60):
            table.put(b"%d" % i, b"v")
        table.checkpoint()
        before = checkpoint_of(where).stat().st_mtime_ns
        table.put(b"k", b"v")
        table.close()
        assert checkpoint_of(where).stat().st_mtime_ns == before
        table = log.table("t")
        for i in range(60):
            table.put(b"%d" % i, b"w")

        def full(path, _checkpoint):
            raise errors.DiskFull(path=path)

        with monkeypatch.context() as patch:
            patch.setattr(checkpoint_store, "write_checkpoint", full)
            with pytest.raises(errors.DiskFull):
                table.checkpoint()
        table.close()
        assert checkpoint_of(where).stat().st_mtime_ns > before


def test_closing_the_log_saves_too(where):
    with logflume.open(where) as log:
        log.create_topic("t")
        table = log.table("t")
        table.put(b"k", b"v")
    assert table.closed
    assert checkpoint_of(where).exists()
    with logflume.open(where) as log:
        assert log.table("t", follow="manual").core.states[0].applied == 0


def test_without_checkpoints(where):
    filled(where, checkpoint=True)
    checkpoint_of(where).unlink()
    with logflume.open(where) as log:
        with log.table("t", checkpoint=False) as table:
            assert table.core.states[0].applied == 1001
            with pytest.raises(errors.ReadOnlyDirectory, match="checkpoint"):
                table.checkpoint()
        assert not checkpoint_of(where).exists()


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other", "version", "directory"])
def test_a_damaged_checkpoint_is_ignored_and_said(where, damage, caplog):
    wanted = filled(where)
    path = checkpoint_of(where)
    data = path.read_bytes()
    middle = len(data) // 2
    broken = {
        "flip": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        "cut": data[:middle],
        "empty": b"",
        "other": b"0\n1\nt 0 3\n",
        "version": data[:8] + b"\2" + data[9:],
    }
    if damage == "directory":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(broken[damage])
    with logflume.open(where) as log:
        if damage == "directory":
            with pytest.raises(IsADirectoryError):
                log.table("t")
            return
        with log.table("t") as table:
            assert dict(table) == wanted
            assert table.core.states[0].applied == 1001
    assert "table checkpoint ignored" in caplog.text
    with logflume.open(where) as log, log.table("t", follow="manual") as table:
        assert table.core.states[0].applied == 0, "the next start has a good one"


def test_a_checkpoint_of_a_topic_deleted_since_is_ignored(where, tmp_path, caplog):
    caplog.set_level("INFO")
    state = tmp_path / "state"
    with logflume.open(where) as log:
        log.create_topic("t")
        send(log, *[(b"%d" % i, b"v") for i in range(10)], timestamp=1)
        with log.table("t", state_dir=state) as table:
            table.checkpoint()
        assert [p.name for p in state.iterdir()] == ["t-0.table"]
        assert not checkpoint_of(where).exists()
        log.delete_topic("t")
        log.create_topic("t")
        send(log, *[(b"other-%d" % i, b"v") for i in range(10)], timestamp=1)
        with log.table("t", state_dir=state) as table:
            assert set(table) == {b"other-%d" % i for i in range(10)}
    assert "is of another topic" in caplog.text


def test_a_checkpoint_ahead_of_the_log_is_ignored(where, tmp_path):
    with logflume.open(where) as log:
        log.create_topic("t")
        send(log, *[(b"%d" % i, b"v") for i in range(10)])
    shutil.copytree(where, tmp_path / "early")
    state = tmp_path / "state"
    with logflume.open(where) as log:
        send(log, *[(b"late-%d" % i, b"v") for i in range(10)])
        with log.table("t", state_dir=state) as table:
            table.checkpoint()
    # A backup came back, and went another way than the original: the topic's id is the same.
    with logflume.open(tmp_path / "early") as log:
        with log.table("t", state_dir=state) as table:
            assert set(table) == {b"%d" % i for i in range(10)}
            with log.producer() as producer:
                for i in range(30):
                    producer.send("t", b"w", key=b"other-%d" % i, timestamp=1_000_000 + i)
        shutil.copyfile(state / "t-0.table", tmp_path / "kept")
    with logflume.open(where) as log, log.table("t", state_dir=state) as table:
        table.checkpoint()
    with logflume.open(tmp_path / "early") as log, log.table("t", state_dir=state) as table:
        assert set(table) == {b"%d" % i for i in range(10)} | {b"other-%d" % i for i in range(30)}


def test_records_deleted_from_the_front_take_their_keys_along(where):
    with logflume.open(where) as log:
        log.create_topic("t")
        with log.table("t") as table:
            for i in range(10):
                table.put(b"%d" % i, b"v")
            table.checkpoint()
    with logflume.open(where) as log:
        log.delete_records({("t", 0): 5})
        with log.table("t") as table:
            assert set(table) == {b"%d" % i for i in range(5, 10)}


def test_the_log_is_on_disk_before_the_checkpoint(where):
    with logflume.open(where) as log:
        log.create_topic("t")
        with log.table("t", acks=1) as table:
            table.put(b"k", b"v")
            table.checkpoint()
            assert log.partition("t", 0).durable_offset == 1


def test_a_read_only_directorys_checkpoint_is_read(where):
    wanted = filled(where)
    before = checkpoint_of(where).stat().st_mtime_ns
    with logflume.open(where, read_only=True) as log, log.table("t") as table:
        assert dict(table) == wanted
        assert table.core.states[0].applied == 0
        with pytest.raises(errors.ReadOnlyDirectory, match="state_dir"):
            table.checkpoint()
    assert checkpoint_of(where).stat().st_mtime_ns == before


def test_a_read_only_directory_with_a_state_dir(where, tmp_path):
    wanted = filled(where)
    checkpoint_of(where).unlink()
    with logflume.open(where, read_only=True) as log:
        with log.table("t", state_dir=tmp_path / "s") as table:
            table.checkpoint()
        with log.table("t", state_dir=tmp_path / "s", follow="manual") as table:
            assert dict(table) == wanted
            assert table.core.states[0].applied == 0
    assert not checkpoint_of(where).exists()


@pytest.mark.parametrize("keep_tombstones", [True, False])
def test_compaction_in_between(where, keep_tombstones):
    wanted = filled(where)
    assert compact_closed(where / "t-0", keep_tombstones=True) > 800
    with logflume.open(where) as log:
        with log.table("t", follow="manual") as table:
            assert dict(table) == wanted
            assert table.core.states[0].applied == 0, "gaps below the checkpoint do not matter"
        send(log, (b"1", None), (b"2", b"new"), (b"x", b"y"))
    compact_closed(where / "t-0", keep_tombstones=keep_tombstones)
    after = {**{k: v for k, v in wanted.items() if k != b"1"}, b"2": b"new", b"x": b"y"}
    with logflume.open(where) as log:
        if not keep_tombstones:  # as if a day had gone by
            log.alter_topic("t", config={"delete.retention.ms": 0})
        with log.table("t") as table:
            assert dict(table) == after


def test_an_offset_that_compaction_took_has_no_value(where):
    filled(where, 0)
    with logflume.open(where) as log:
        send(log, (b"a", b"1"), (b"a", b"2"), (b"b", b"3"))
    compact_closed(where / "t-0")
    with logflume.open(where) as log, log.table("t") as table:
        state = table.core.states[0]
        end = state.log.end_offset
        found = [state.value_at(end - n) for n in (3, 2, 1, 0)]
        assert found == [None, b"2", b"3", None]


def test_long_values_and_compaction(where):
    filled(where, 0)
    with logflume.open(where) as log:
        with log.table("t", inline_bytes_max=4) as table:
            for i in range(50):
                table.put(b"%d" % (i % 5), b"long-%d" % i)
            table.checkpoint()
            wanted = dict(table.items())
        send(log, (b"3", b"long again"))
    compact_closed(where / "t-0")
    with logflume.open(where) as log, log.table("t", inline_bytes_max=4) as table:
        assert dict(table.items()) == {**wanted, b"3": b"long again"}


def test_a_table_that_looks_away_while_a_tombstone_goes(where, monkeypatch):
    """The clock says that tombstones may have gone, offsets are missing: the table is read anew."""
    now = [1_000_000]
    filled(where, 0)
    with logflume.open(where) as log:
        table = log.table("t", follow="manual")
        state = table.core.states[0]
        monkeypatch.setattr(state, "_clock_ms", lambda: now[0])
        send(log, (b"a", b"1"), (b"b", b"1"))
        table.refresh()
        seen = []
        table.on_change(lambda *change: seen.append(change))
        read = []
        monkeypatch.setattr(
            type(state), "_rebuild", spy(partition_state.PartitionState._rebuild, read)
        )
        send(log, (b"c", b"1"))
        now[0] += 86_400_001
        table.refresh()
        assert (len(read), seen) == (0, [(b"c", None, b"1")]), "nothing is missing"
        monkeypatch.setattr(partition_state, "_has_gap", lambda *_: True)
        send(log, (b"d", b"1"))
        table.refresh()
        assert len(read) == 0, "the table is not old enough to have missed a tombstone"
        now[0] += 86_400_001
        send(log, (b"e", b"1"))
        state.entries[b"ghost"] = b"its tombstone went"
        table.refresh()
        assert len(read) == 1
        assert seen[2:] == [(b"e", None, b"1"), (b"ghost", b"its tombstone went", None)]
        table.close()


def spy(method, calls):
    def called(self, *arguments):
        calls.append(arguments)
        return method(self, *arguments)

    return called
