"""The group's file: whole after a kill at any byte, locks that exclude and end with the descriptor."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path
from typing import Any

import pytest

from logflume.coordinator import group_file
from logflume.coordinator.group_file import HEADER_SIZE, SLOTS_AT, GroupFile
from logflume.errors import (
    Closed,
    CorruptRecord,
    DiskFull,
    LockTimeout,
    ReadOnlyDirectory,
    StorageError,
    UnsupportedFormat,
)

# Python 3.12 and later warn of threads, which numpy may have started; the children use none.
forks = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def open_file(path: Path, **options: Any) -> GroupFile:
    return GroupFile(str(path), create=True, lock_timeout_s=0.05, **options)


def write(file: GroupFile, data: bytes, generation: int) -> None:
    with file.locked():
        file.write(data, generation)


def read(file: GroupFile) -> tuple[int, bytes | None]:
    with file.locked(shared=True):
        return tuple(file.read())  # type: ignore[return-value]


def test_a_new_file_is_empty_and_the_last_table_written_is_read(tmp_path: Path) -> None:
    file, other = open_file(tmp_path / "g"), open_file(tmp_path / "g")
    assert read(file) == (0, None)
    rng = random.Random(5)
    for generation in range(1, 60):
        data = rng.randbytes(rng.choice([0, 1, 100, 5000, 70000]))
        write(file, data, generation)
        assert read(other) == (generation, data)
        assert other.generation == generation
    assert (tmp_path / "g").stat().st_size < HEADER_SIZE + 3 * 70064


class Killed(Exception):
    pass


def test_killed_at_any_write_it_holds_the_old_table_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pwrite of a replacement is cut after every length, as if the process died there."""
    real = os.pwrite
    seen = set()
    for size in (3, 200):
        cut = 0
        while True:
            path = tmp_path / f"g{size}-{cut}"
            file = open_file(path)
            write(file, b"older", 1)
            write(file, b"old", 2)
            left = cut

            def pwrite(fd: int, data: Any, position: int) -> int:
                nonlocal left
                if len(data) > left:
                    real(fd, bytes(data)[:left], position)
                    raise Killed
                left -= len(data)
                return real(fd, data, position)

            monkeypatch.setattr(group_file.os, "pwrite", pwrite)
            try:
                write(file, b"n" * size, 3)
                killed = False
            except Killed:
                killed = True
            monkeypatch.setattr(group_file.os, "pwrite", real)
            file.close()
            survivor = open_file(path)
            state = read(survivor)
            assert state in ((2, b"old"), (3, b"n" * size))
            seen.add(state[0])
            write(survivor, b"next", 4)
            assert read(survivor) == (4, b"next")
            survivor.close()
            path.unlink()
            if not killed:
                assert state[0] == 3
                break
            cut += 1
    assert seen == {2, 3}


@pytest.mark.parametrize("position", range(SLOTS_AT[0], SLOTS_AT[1] + 36))
def test_a_flipped_bit_in_the_slots_is_detected(tmp_path: Path, position: int) -> None:
    path = tmp_path / "g"
    file = open_file(path)
    write(file, b"first", 1)
    write(file, b"second", 2)
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(data)
    assert read(file) in ((1, b"first"), (2, b"second"))


def test_two_torn_tables_are_an_error_while_somebody_lives_and_a_new_start_after(
    tmp_path: Path,
) -> None:
    path = tmp_path / "g"
    file, living = open_file(path), open_file(path)
    write(file, b"a" * 100, 7)
    write(file, b"b" * 100, 8)
    data = bytearray(path.read_bytes())
    data[HEADER_SIZE:] = bytes(len(data) - HEADER_SIZE)
    with path.open("r+b") as raw:
        raw.write(data)
    assert living.lock_slot(3)
    with file.locked(), pytest.raises(CorruptRecord) as caught:
        file.read_or_restart()
    assert caught.value.path == str(path)
    living.close()
    with file.locked():
        # The generation goes on: a number that stood for another table is not used again.
        assert tuple(file.read_or_restart()) == (8, None)
        file.write(b"new", 9)
        assert tuple(file.read()) == (9, b"new")


def test_its_maker_dying_leaves_a_file_that_can_be_used(tmp_path: Path) -> None:
    for size in (0, 10, HEADER_SIZE):
        path = tmp_path / f"g{size}"
        path.write_bytes(bytes(size))
        write(open_file(path), b"x", 1)
        assert read(open_file(path)) == (1, b"x")


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "g"
    path.write_bytes(b"#!/bin/sh\n" * 1000)
    with pytest.raises(CorruptRecord, match="not a group file"):
        open_file(path)
    assert path.read_bytes() == b"#!/bin/sh\n" * 1000
    newer = tmp_path / "newer"
    write(open_file(newer), b"x", 1)
    data = bytearray(newer.read_bytes())
    data[8] = 2
    newer.write_bytes(data)
    with pytest.raises(UnsupportedFormat, match="version 2"):
        open_file(newer)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"")
    (tmp_path / "g").symlink_to(tmp_path / "target")
    with pytest.raises(StorageError, match="symbolic links"):
        open_file(tmp_path / "g")


def test_readers_share_the_table_and_a_writer_has_it_alone(tmp_path: Path) -> None:
    a, b, c = (open_file(tmp_path / "g") for _ in range(3))
    with a.locked(shared=True), b.locked(shared=True), pytest.raises(LockTimeout), c.locked():
        pass
    with a.locked(), pytest.raises(LockTimeout), c.locked(shared=True):
        pass
    with c.locked():
        pass


def test_waiting_for_the_table_ends_when_it_is_free(tmp_path: Path) -> None:
    a = open_file(tmp_path / "g")
    holder = a.locked()
    naps = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            holder.__exit__(None, None, None)

    b = open_file(tmp_path / "g", sleep=sleep)
    holder.__enter__()
    with b.locked():
        assert len(naps) == 3


def test_slots_and_partitions_are_held_by_one_and_freed_by_closing(tmp_path: Path) -> None:
    a, b = open_file(tmp_path / "g"), open_file(tmp_path / "g")
    assert a.lock_slot(0)
    assert not b.lock_slot(0)
    assert b.is_slot_alive(0)
    assert not a.is_slot_alive(0)  # one's own does not show
    assert a.lock_partition(5)
    assert not b.lock_partition(5)
    assert b.lock_partition(6)
    assert b.are_partitions_owned(0, 6)
    assert not b.are_partitions_owned(0, 5)
    assert not b.are_partitions_owned(5, 0)
    assert b.is_anyone_else_alive()
    a.unlock_partition(5)
    assert b.lock_partition(5)
    a.close()
    assert b.lock_slot(0)
    assert not b.is_anyone_else_alive()
    del b
    c = open_file(tmp_path / "g")
    assert c.lock_partition(5), "a forgotten file must not hold locks"


@forks
def test_a_forked_child_neither_keeps_nor_frees_the_parents_locks(tmp_path: Path) -> None:
    file, other = open_file(tmp_path / "g"), open_file(tmp_path / "g")
    assert file.lock_slot(1)
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            try:
                file.lock_slot(2)
                result = b"no error"
            except Closed as error:
                result = str(error).encode()
            os.write(ready[1], result)
            os.read(go[0], 1)
        finally:
            os._exit(0)
    assert b"inherited by a forked child" in os.read(ready[0], 1000)
    assert other.is_slot_alive(1)  # the child's closing freed nothing
    file.close()
    assert not other.is_slot_alive(1)  # and the child, still there, keeps nothing
    os.write(go[1], b"x")
    os.waitpid(child, 0)
    for fd in (*ready, *go):
        os.close(fd)


def test_a_full_disk_keeps_the_old_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = open_file(tmp_path / "g")
    write(file, b"old", 1)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(group_file.os, "pwrite", full)
        with pytest.raises(DiskFull):
            write(file, b"new", 2)
    assert read(file) == (1, b"old")


def test_a_directory_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(open_file(tmp_path / "g"), b"x", 1)
    reader = GroupFile(str(tmp_path / "g"), read_only=True)
    assert read(reader) == (1, b"x")
    real = os.open

    def refuse(path: str, flags: int, *rest: int) -> int:
        if flags & os.O_RDWR:
            raise OSError(errno.EROFS, "Read-only file system")
        return real(path, flags, *rest)

    monkeypatch.setattr(group_file.os, "open", refuse)
    with pytest.raises(ReadOnlyDirectory):
        open_file(tmp_path / "g")


def test_a_deleted_file_is_noticed(tmp_path: Path) -> None:
    file = open_file(tmp_path / "g")
    assert file.is_at_path()
    (tmp_path / "g").unlink()
    assert not file.is_at_path()
    open_file(tmp_path / "g")
    assert not file.is_at_path()
