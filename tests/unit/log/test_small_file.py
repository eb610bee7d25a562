"""Replacing small files: the old or the new content, whole, whatever fails in between."""

from __future__ import annotations

import errno
import os
import signal
import stat
from pathlib import Path

import pytest

from logflume.errors import CorruptRecord, DiskFull, ReadOnlyDirectory, SyncFailed
from logflume.log import small_file
from logflume.log.small_file import read_small, remove_temporaries, write_atomic


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    return path


def test_content_is_replaced_and_nothing_else_is_left(path: Path) -> None:
    write_atomic(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in path.parent.iterdir()] == ["file"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_relative_and_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_atomic("here", b"")
    assert read_small("here") == b""
    assert read_small("nowhere") is None


@pytest.mark.parametrize("step", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EROFS, ReadOnlyDirectory)],
)
def test_a_failing_step_leaves_the_old_content(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int, expected: type[Exception]
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(small_file.os, step, fail)
    with pytest.raises(expected) as caught:
        write_atomic(str(path), b"new")
    monkeypatch.undo()
    assert caught.value.path == str(path)  # type: ignore[attr-defined]
    assert path.read_bytes() == b"old"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_failed_sync_is_a_typed_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(small_file.os, "fsync", fail)
    with pytest.raises(SyncFailed, match="Input/output error"):
        write_atomic(str(path), b"new")
    assert path.read_bytes() == b"old"


def test_file_and_directory_are_synced_in_the_right_order(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def record_sync(descriptor: int) -> None:
        kind = "directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        steps.append(f"sync {kind}")
        fsync(descriptor)

    def record_replace(source: str, target: str) -> None:
        steps.append("rename")
        replace(source, target)

    monkeypatch.setattr(small_file.os, "fsync", record_sync)
    monkeypatch.setattr(small_file.os, "replace", record_replace)
    write_atomic(str(path), b"new")
    assert steps == ["sync file", "rename", "sync directory"]


def test_short_writes_go_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(small_file.os, "write", lambda fd, data: write(fd, bytes(data[:2])))
    write_atomic(str(path), b"longer than two")
    assert path.read_bytes() == b"longer than two"


@pytest.mark.crash
def test_a_killed_writer_leaves_old_or_new_and_its_leftover_is_removed(path: Path) -> None:
    child = os.fork()
    if child == 0:  # dies between writing the temporary file and the rename
        small_file.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
        try:
            write_atomic(str(path), b"new")
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(list(path.parent.iterdir())) == 2
    assert remove_temporaries(str(path.parent)) == 1
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_link_in_the_temporary_files_place_is_not_followed(path: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    number = next(small_file._temporary_numbers) + 1
    trap = f"{path}.{os.getpid()}-{number}{small_file.TEMPORARY_SUFFIX}"
    os.symlink(victim, trap)
    with pytest.raises(FileExistsError):
        write_atomic(str(path), b"new")
    assert victim.read_bytes() == b"precious"
    assert path.read_bytes() == b"old"


def test_a_small_file_that_is_large_is_not_read(path: Path) -> None:
    path.write_bytes(b"x" * 11)
    with pytest.raises(CorruptRecord, match="more than 10 bytes"):
        read_small(str(path), size_max=10)
    assert read_small(str(path), size_max=11) == b"x" * 11
