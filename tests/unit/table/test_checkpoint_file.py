"""The checkpoint's file: what is written is read; whatever is not right is refused, never followed."""

from __future__ import annotations

import os
import struct
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logflume import errors
from logflume.client.table.checkpoint_file import Checkpoint, read_checkpoint, write_checkpoint

values = st.one_of(st.binary(max_size=50), st.integers(0, 2**62))


def checkpoint(entries, **fields):
    given = {
        "topic_id": bytes(range(16)),
        "partition": 3,
        "position": 42,
        "start_offset": 7,
        "taken_at_ms": 1_700_000_000_000,
        "anchor_offset": 41,
        "anchor_timestamp": -1,
    }
    return Checkpoint(**{**given, **fields}, entries=entries)


@settings(max_examples=60)
@given(entries=st.dictionaries(st.binary(max_size=20), values, max_size=40))
def test_what_is_written_is_read(tmp_path_factory, entries):
    path = str(tmp_path_factory.mktemp("c") / "state.table")
    write_checkpoint(path, checkpoint(entries))
    assert read_checkpoint(path) == checkpoint(entries)
    assert os.listdir(os.path.dirname(path)) == ["state.table"]


def test_many_chunks(tmp_path):
    path = str(tmp_path / "state.table")
    entries = {b"%d" % i: i if i % 1000 == 0 else b"x" * (i % 50) for i in range(40_000)}
    write_checkpoint(path, checkpoint(entries))
    assert read_checkpoint(path) == checkpoint(entries)


def test_no_file(tmp_path):
    assert read_checkpoint(str(tmp_path / "none")) is None


def test_every_cut_and_every_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "state.table"
    write_checkpoint(str(path), checkpoint({b"k": b"v", b"long": 77, b"": b""}))
    whole = path.read_bytes()
    broken = [whole[:n] for n in range(len(whole))]
    broken += [
        whole[:i] + bytes([whole[i] ^ (1 << bit)]) + whole[i + 1 :]
        for i in range(len(whole))
        for bit in range(8)
    ]
    broken += [whole + b"\0", whole + whole]
    for data in broken:
        path.write_bytes(data)
        with pytest.raises((errors.CorruptRecord, errors.UnsupportedFormat)):
            read_checkpoint(str(path))


def test_sizes_are_claims(tmp_path):
    """With right checksums too: sizes that do not fit are refused before memory is taken for them."""
    from logflume._native.hashing import crc32c

    path = tmp_path / "state.table"
    write_checkpoint(str(path), checkpoint({b"k": b"v"}))
    header = path.read_bytes()[:84]
    bodies = {
        (1, 2**60, 1): b"\1\0\0\0\1\0\0\0kv",
        (2**31, 1, 1): b"\1\0\0\0\1\0\0\0kv",
        (1, 1, 1): b"\2\0\0\0\0\0\0\0kv",
        (1, 3, 1): struct.pack("<ii", -1, 5) + b"kvkv",
        (0, 0, 0): b"",
    }
    for head, body in bodies.items():
        packed = struct.pack("<IQQ", *head)
        path.write_bytes(header + packed + struct.pack("<I", crc32c(body, crc32c(packed))) + body)
        with pytest.raises(errors.CorruptRecord):
            read_checkpoint(str(path))


def test_writers_at_once_leave_a_whole_file(tmp_path):
    path = str(tmp_path / "state.table")
    wanted = [checkpoint({b"%d-%d" % (n, i): b"v" for i in range(2000)}) for n in range(4)]

    def write(it):
        for _ in range(5):
            write_checkpoint(path, it)

    threads = [threading.Thread(target=write, args=(it,)) for it in wanted]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert read_checkpoint(path) in [None, *wanted]
    assert read_checkpoint(path) in wanted
    assert os.listdir(tmp_path) == ["state.table"]


def test_what_a_killed_writer_left_is_used_again(tmp_path):
    path = tmp_path / "state.table"
    (tmp_path / "state.table.logflume-tmp").write_bytes(b"x" * 10_000)
    write_checkpoint(str(path), checkpoint({b"k": b"v"}))
    assert read_checkpoint(str(path)) == checkpoint({b"k": b"v"})
    assert os.listdir(tmp_path) == ["state.table"]


def test_a_missing_or_full_place_is_said(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        write_checkpoint(str(tmp_path / "none" / "state.table"), checkpoint({}))
    full = "/dev/full"
    if os.path.exists(full):
        (tmp_path / "state.table.logflume-tmp").symlink_to(full)
        with pytest.raises(errors.StorageError, match="symbolic link"):
            write_checkpoint(str(tmp_path / "state.table"), checkpoint({}))
