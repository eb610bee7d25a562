"""Several handles on one partition: other settings, other rollers, locks held, forks."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from logflume import errors
from support.children import Child, report
from support.partitions import Handle, read_all


def test_two_ideas_of_the_configuration_make_one_log(tmp_path: Path) -> None:
    one = Handle(tmp_path, segment_bytes=4096, index_interval_bytes=100)
    two = Handle(tmp_path, segment_bytes=1 << 20, compression=3, append_time=True)
    three = Handle(tmp_path, segment_bytes=3000, max_message_bytes=2000, compression=4)
    values = []
    for i in range(600):
        handle = (one, two, three)[i % 3]
        value = b"%d" % i * (i % 50)
        if i % 7:
            assert handle.log.append(value) == len(values)
            values.append(value)
        else:
            assert handle.log.append_many([value] * 5) == len(values)
            values += [value] * 5
    for handle in (one, two, three):
        assert [row.value for row in read_all(handle.log)] == values
        assert handle.log.segments() == one.log.segments()
    for handle in (one, two, three):
        handle.close()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def maps_of(name: str) -> int:
    return sum(name in line for line in Path("/proc/self/maps").read_text().splitlines())


def test_segments_that_another_rolled_keep_no_descriptors(tmp_path: Path) -> None:
    one, two = (Handle(tmp_path, segment_bytes=1000) for _ in range(2))
    before = open_files()
    for i in range(60):
        for handle in (one, two):
            handle.log.append(b"x" * 300)
        if i % 2:
            one.log.roll()
    assert len(two.log.segments()) > 40
    assert open_files() <= before + 2
    one.close()
    two.close()


def test_a_follower_with_smaller_segments_maps_the_writers_few_times(tmp_path: Path) -> None:
    writer, reader = Handle(tmp_path), Handle(tmp_path, segment_bytes=4096)
    cursor = reader.log.reader()
    for _ in range(300):
        writer.log.append_many([b"x" * 10_000])
        assert len(cursor.read()) == 1
    assert maps_of(f"{0:020}.log") < 20
    writer.close()
    reader.close()


def hold_the_lock(directory: str) -> None:
    """In a child: appends, and sleeps in the middle of it (armed by LOGFLUME_FAILPOINT)."""
    handle = Handle(Path(directory))
    report("ready")
    handle.log.append_many([b"slow"])
    report("done")
    handle.close()


def test_waiting_for_a_slow_writer_ends_at_the_timeout(tmp_path: Path) -> None:
    handle = Handle(tmp_path, lock_timeout=0.3)
    child = Child(
        "unit.engine.test_handles",
        "hold_the_lock",
        failpoint="append.before_publish:1:sleep=4",
        directory=tmp_path,
    )
    with child:
        child.wait_for("ready")
        time.sleep(0.2)
        began = time.monotonic()
        with pytest.raises(errors.LockTimeout):
            handle.log.append(b"refused")
        assert 0.2 < time.monotonic() - began < 3
        child.wait_for("done")
        assert handle.log.append(b"mine") == 1
        handle.close()
        assert child.finish() == 0


def test_a_wait_ends_soon_after_a_publish(tmp_path: Path) -> None:
    writer, reader = Handle(tmp_path), Handle(tmp_path)
    delays = []
    for i in range(20):
        published = []

        def publish(out: list[float] = published) -> None:
            time.sleep(0.01)
            out.append(time.monotonic())
            writer.log.append(b"x")

        thread = threading.Thread(target=publish)
        thread.start()
        assert reader.log.wait(i, 60.0)
        delays.append(time.monotonic() - published[0])
        thread.join()
    assert sorted(delays)[5] < 0.02  # usually 0.1 ms; on a busy machine the best of them count
    assert not reader.log.wait(20, 0.01)
    writer.close()
    reader.close()


def use_after_fork(directory: str) -> None:
    """In a child: what a forked process may do with its parent's handle."""
    handle = Handle(Path(directory))
    handle.log.append(b"parent")
    child = os.fork()
    if not child:
        try:
            handle.log.append(b"child")
            os._exit(1)
        except errors.Closed:
            pass
        mine = os.open(Path(directory) / ".lock", os.O_RDWR)
        handle.log.reopen_after_fork(mine)
        handle.log.append(b"child")
        handle.log.close()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, status
    assert handle.log.append(b"parent again") == 2
    assert [row.value for row in read_all(handle.log)] == [b"parent", b"child", b"parent again"]
    handle.close()
    report("done")


def test_a_forked_child_opens_anew(tmp_path: Path) -> None:
    with Child("unit.engine.test_handles", "use_after_fork", directory=tmp_path) as child:
        assert child.finish() == 0, child.errors()


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    """Also when it was alone and held the lock: the next opener recovers at once."""
    for point in ("append.write", "roll.after_create", "append_one.before_publish"):
        with Child(
            "crash.workers", "write", failpoint=f"{point}:2:kill", directory=tmp_path / point, writer="w"
        ) as child:  # fmt: skip
            assert child.finish() == -signal.SIGKILL
        began = time.monotonic()
        handle = Handle(tmp_path / point, segment_bytes=20_000, lock_timeout=100.0)
        handle.log.append(b"x")
        assert time.monotonic() - began < 50
        handle.close()


def test_an_append_time_topic_ignores_the_callers_timestamps(tmp_path: Path) -> None:
    handle = Handle(tmp_path, append_time=True)
    before = time.time_ns() // 1_000_000
    handle.log.append(b"one", timestamp=5)
    handle.log.append_many([b"two"], timestamps=[6])
    after = time.time_ns() // 1_000_000
    for row in read_all(handle.log):
        assert before <= row.timestamp <= after
    handle.close()


def test_a_record_larger_than_a_segment_names_the_property(tmp_path: Path) -> None:
    handle = Handle(tmp_path, segment_bytes=1000)
    for call in (lambda v: handle.log.append(v), lambda v: handle.log.append_many([v])):
        with pytest.raises(errors.RecordTooLarge) as caught:
            call(b"x" * 1001)
        assert "1000" in str(caught.value)
    assert handle.log.append(b"x" * 900) == 0
    assert handle.log.append_many([b"x" * 100] * 500) == 1
    assert handle.log.end_offset == 501
    handle.close()


def test_a_closed_log_is_opened_read_only_without_a_scan(tmp_path: Path) -> None:
    handle = Handle(tmp_path, segment_bytes=2000)
    for i in range(50):
        handle.log.append(b"x" * 100, timestamp=i)
    handle.log.set_start_offset(3)
    rows = read_all(handle.log)
    handle.close()
    reader = Handle(tmp_path, read_only=True)
    assert reader.log.recovery.clean
    assert reader.log.recovery.bytes_scanned == 0
    assert read_all(reader.log) == rows
    assert reader.log.start_offset == 3
    reader.close()


def test_a_damaged_log_opened_read_only_ends_before_the_damage(tmp_path: Path) -> None:
    """Nothing is cut, nothing deleted: what recovery would do is only seen."""
    handle = Handle(tmp_path / "live", segment_bytes=2000)
    for i in range(50):
        handle.log.append(b"x" * 100, timestamp=i)
    rows = read_all(handle.log)
    shutil.copytree(tmp_path / "live", tmp_path / "crashed")
    handle.close()
    where = tmp_path / "crashed" / "t-0"
    (where / "logflume.state").unlink()
    second = sorted(where.glob("*.log"))[1]
    second.write_bytes(second.read_bytes()[:700])
    before = {path.name: path.read_bytes() for path in where.iterdir()}
    reader = Handle(tmp_path / "crashed", read_only=True)
    end = reader.log.end_offset
    assert read_all(reader.log) == rows[:end]
    assert len(reader.log.segments()) == 2
    assert int(second.stem) < end < 50
    assert reader.log.recovery.cuts
    reader.close()
    assert {path.name: path.read_bytes() for path in where.iterdir()} == before
