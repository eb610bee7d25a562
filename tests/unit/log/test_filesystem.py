"""What a path lies on: kinds from the mount table, network ones refused, read-only ones told."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from logflume.errors import DiskFull, NetworkFilesystem, ReadOnlyDirectory, SyncFailed
from logflume.log import filesystem
from logflume.log.filesystem import (
    filesystem_kind,
    is_network_kind,
    is_writable,
    raise_typed,
    refuse_network,
    require_writable,
    sync_directory,
)


@pytest.fixture
def mounts(tmp_path: Path) -> str:
    """A mount table with a space, two mounts on one point, a prefix that is no parent, a broken line."""
    lines = [
        "22 1 252:0 / / rw,relatime - ext4 /dev/vda rw",
        f"40 22 0:50 / {tmp_path}/share rw shared:1 master:2 - nfs4 host:/export rw",
        f"41 22 0:51 / {tmp_path}/my\\040disk rw - fuse.sshfs me@host: rw",
        f"42 22 0:52 / {tmp_path}/twice rw - cifs //host/share rw",
        f"43 22 0:53 / {tmp_path}/twice rw - xfs /dev/vdb rw",
        "nonsense",
    ]
    for name in ("share/deep", "sharemore", "my disk", "twice"):
        (tmp_path / name).mkdir(parents=True)
    table = tmp_path / "mountinfo"
    table.write_text("\n".join(lines) + "\n")
    return str(table)


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("share", "nfs4"),
        ("share/deep", "nfs4"),
        ("sharemore", "ext4"),
        ("my disk", "fuse.sshfs"),
        ("twice", "xfs"),
        ("", "ext4"),
    ],
)
def test_kind_is_that_of_the_deepest_and_latest_mount(
    tmp_path: Path, mounts: str, place: str, kind: str
) -> None:
    assert filesystem_kind(str(tmp_path / place), mounts=mounts) == kind


def test_links_are_followed(tmp_path: Path, mounts: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "share")
    with pytest.raises(NetworkFilesystem) as caught:
        refuse_network(str(tmp_path / "link"), mounts=mounts)
    assert caught.value.kind == "nfs4"
    refuse_network(str(tmp_path / "sharemore"), mounts=mounts)


def test_without_a_mount_table_the_kind_is_unknown_and_said_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert filesystem_kind(str(tmp_path), mounts=str(tmp_path / "none")) is None
    refuse_network(str(tmp_path), mounts=str(tmp_path / "none"))
    assert [r.getMessage().split(" path=")[0] for r in caplog.records] == [
        "file system not known to be local"
    ]


def test_this_machines_table_is_understood() -> None:
    assert filesystem_kind("/proc") == "proc"
    assert filesystem_kind("/") is not None


@pytest.mark.parametrize(
    "kind",
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "9p",
        "ceph",
        "lustre",
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse.ceph-fuse",
        "fuse.rclone",
    ],
)
def test_network_kinds(kind: str) -> None:
    assert is_network_kind(kind)


@pytest.mark.parametrize(
    "kind",
    [
        "ext4",
        "xfs",
        "btrfs",
        "tmpfs",
        "overlay",
        "zfs",
        "f2fs",
        "fuseblk",
        "fuse.bindfs",
        "fuse",
        "virtiofs",
    ],
)
def test_local_kinds(kind: str) -> None:
    assert not is_network_kind(kind)


@pytest.mark.parametrize(
    ("number", "syncing", "expected"),
    [
        (errno.ENOSPC, False, DiskFull),
        (errno.EDQUOT, True, DiskFull),
        (errno.EROFS, False, ReadOnlyDirectory),
        (errno.EACCES, False, ReadOnlyDirectory),
        (errno.EIO, True, SyncFailed),
        (errno.EIO, False, OSError),
    ],
)
def test_system_errors_become_typed_ones(
    number: int, syncing: bool, expected: type[Exception]
) -> None:
    error = OSError(number, os.strerror(number))
    with pytest.raises(expected) as caught:
        raise_typed(error, "/d", syncing=syncing)
    assert caught.value is error or caught.value.__cause__ is error


def test_failed_directory_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync_directory(str(tmp_path))

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(filesystem.os, "fsync", fail)
    open_before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(SyncFailed):
        sync_directory(str(tmp_path))
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_writable(tmp_path: Path) -> None:
    require_writable(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        require_writable(str(tmp_path / "none"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount and to become somebody else")
def test_a_read_only_mount_is_told_even_to_root(tmp_path: Path) -> None:
    check = "from logflume.log.filesystem import require_writable; require_writable('.')"
    command = f'mount -t tmpfs -o ro none "$0" && cd "$0" && {sys.executable} -c "{check}"'
    run = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    if "ReadOnlyDirectory" not in run.stderr and "Traceback" not in run.stderr:
        pytest.skip(f"cannot mount here: {run.stderr.strip()}")
    assert run.stderr.strip().endswith("ReadOnlyDirectory: .: not writable")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_missing_permission_is_told() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            os._exit(int(is_writable(directory)))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert is_writable(directory)
