"""A full disk and a disk that fails to sync: said, and nothing that was acknowledged is lost."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from logflume import errors
from logflume._native.partition_log import arm_failpoints
from support.children import Child
from support.partitions import Handle, opened, read_all

pytestmark = pytest.mark.crash


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1.5 MB of its own."""
    if os.geteuid() != 0:
        pytest.skip(
            "a file system of its own can be mounted by root only: full disks are NOT tested"
        )
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here, full disks are NOT tested: {done.stderr}")
    try:
        yield tmp_path
    finally:
        # MNT_DETACH: also when a test that failed left a file open.
        assert ctypes.CDLL(None, use_errno=True).umount2(str(tmp_path).encode(), 2) == 0


@pytest.mark.parametrize("way", ["one", "many", "sync"])
@pytest.mark.parametrize("segment_bytes", [30_000, 400_000, 1 << 30])
def test_a_full_disk_is_said_and_survived(way: str, segment_bytes: int, small_disk: Path) -> None:
    with Child(
        "crash.full_disk", "run", directory=small_disk, way=way, segment_bytes=segment_bytes
    ) as child:
        assert child.finish() == 0, f"{child.lines[-1]}\n{child.errors()}"
        assert child.lines[-1][0] == "done"


@pytest.fixture
def armed() -> Iterator[None]:
    yield
    arm_failpoints("")


@pytest.mark.usefixtures("armed")
def test_a_failed_sync_stays_failed_until_the_log_is_opened_anew(tmp_path: Path) -> None:
    handle, other = Handle(tmp_path), Handle(tmp_path)
    handle.log.append(b"synced")
    handle.log.sync()
    handle.log.append(b"not synced")
    arm_failpoints("sync.fdatasync:1:raise")
    with pytest.raises(errors.SyncFailed) as caught:
        handle.log.sync()
    assert caught.value.path == str(tmp_path / "t-0" / f"{0:020}.log")
    arm_failpoints("")
    for log in (handle.log, other.log):
        # The kernel may have dropped the pages: a second sync that works would claim what is not so.
        with pytest.raises(errors.SyncFailed):
            log.sync()
        with pytest.raises(errors.SyncFailed):
            log.append(b"refused")
        with pytest.raises(errors.SyncFailed):
            log.append_many([b"refused"])
        with pytest.raises(errors.SyncFailed):
            log.roll()
        assert log.durable_offset == 1
        assert [row.value for row in read_all(log)] == [b"synced", b"not synced"]
    handle.close()
    other.close()
    with opened(tmp_path) as log:
        assert not log.recovery.clean
        assert log.durable_offset == 2
        assert log.append(b"again") == 2
        log.sync()
        assert [row.value for row in read_all(log)] == [b"synced", b"not synced", b"again"]


@pytest.mark.usefixtures("armed")
def test_a_failed_sync_is_remembered_when_recovery_is_killed(tmp_path: Path) -> None:
    """Recovery from a failed sync writes the bytes again; killed before, the next one must do it."""
    handle = Handle(tmp_path)
    handle.log.append(b"not synced")
    arm_failpoints("sync.fdatasync:1:raise")
    with pytest.raises(errors.SyncFailed):
        handle.log.sync()
    handle.close()
    arm_failpoints("recover.before_cut:1:raise")
    with pytest.raises(errors.StorageError), opened(tmp_path):
        pass
    arm_failpoints("")
    state = (tmp_path / "t-0" / "logflume.state").read_bytes()
    assert int.from_bytes(state[12:16], "little") != 0  # errno of the failed sync, still there
    with opened(tmp_path) as log:
        assert log.durable_offset == 1


@pytest.mark.usefixtures("armed")
def test_recovery_refused_half_way_forgets_nothing(tmp_path: Path) -> None:
    """The start offset lives in the state only; recovery that fails keeps it."""
    handle = Handle(tmp_path / "live")
    handle.log.append_many([b"%d" % i for i in range(10)])
    handle.log.set_start_offset(7)
    import shutil

    shutil.copytree(tmp_path / "live", tmp_path / "killed")
    handle.close()
    for point in ("recover.before_scan", "recover.before_cut"):
        arm_failpoints(f"{point}:1:raise")
        with pytest.raises(errors.StorageError), opened(tmp_path / "killed"):
            pass
    arm_failpoints("")
    with opened(tmp_path / "killed") as log:
        assert (log.start_offset, log.end_offset) == (7, 10)


def test_a_directory_that_may_not_be_written_is_read(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere: covered by read_only in test_golden_reader")
    with opened(tmp_path) as log:
        log.append(b"x")
    os.chmod(tmp_path / "t-0", 0o500)
    try:
        with pytest.raises(errors.ReadOnlyDirectory), opened(tmp_path):
            pass
        with opened(tmp_path, read_only=True) as log:
            assert log.read(0).value == b"x"
    finally:
        os.chmod(tmp_path / "t-0", 0o700)
