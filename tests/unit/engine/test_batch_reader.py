"""Whole batches: every byte of the segments, in order, in one piece or batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from logflume import errors
from logflume._native.batches import BatchScan
from logflume._native.partition import Partition
from support.partitions import Handle, opened


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Partition]:
    """Batches of 1 to 40 records in several segments."""
    with opened(tmp_path, segment_bytes=4096) as log:
        for count in range(1, 41):
            log.append_many([b"value %d" % n for n in range(count)])
        log.roll()
        log.append_many([bytes(1200)] * 3)
        yield log


def on_disk(log: Partition) -> bytes:
    return b"".join(Path(s.path).read_bytes()[: s.size] for s in log.segments())


def test_batch_by_batch(log: Partition) -> None:
    batches = list(log.batches())
    assert [batch.count for batch in batches] == [*range(1, 41), 3]
    assert b"".join(batch.view for batch in batches) == on_disk(log)
    assert [b.base_offset for b in batches[1:]] == [b.last_offset + 1 for b in batches[:-1]]
    assert batches[4].records().values.tolist() == [b"value %d" % n for n in range(5)]
    assert len({batch.position for batch in batches}) < len(batches)  # several segments


@pytest.mark.parametrize("max_bytes", [1, 1000, 1 << 20])
def test_in_pieces(log: Partition, max_bytes: int) -> None:
    reader, pieces = log.batches(), []
    while (piece := reader.read(max_bytes)) is not None:
        scanned = list(BatchScan(piece.view))
        assert piece.size == len(piece.view)
        assert piece.batch_count == len(piece) == len(scanned)
        assert piece.size <= max_bytes or piece.batch_count == 1
        assert piece.record_count == sum(batch.count for batch in scanned)
        assert (piece.base_offset, piece.end_offset) == (
            scanned[0].base_offset,
            scanned[-1].last_offset + 1,
        )
        assert reader.position == piece.end_offset
        pieces.append(piece)
    assert b"".join(piece.view for piece in pieces) == on_disk(log)
    assert sum(piece.record_count for piece in pieces) == log.end_offset


def test_an_offset_inside_a_batch_gives_the_whole_batch(log: Partition) -> None:
    first = next(log.batches(12))
    assert (first.base_offset, first.last_offset) == (10, 14)
    assert log.batches(12).read(1).base_offset == 10
    with pytest.raises(errors.OffsetOutOfRange):
        next(log.batches(log.end_offset + 1))


def test_it_goes_on_when_more_was_written(log: Partition) -> None:
    reader = log.batches(log.end_offset)
    assert list(reader) == []
    assert reader.read() is None
    log.append_many([b"new"] * 4)
    assert [batch.count for batch in reader] == [4]


def test_what_is_forwarded_is_the_same_log(log: Partition, tmp_path: Path) -> None:
    with opened(tmp_path / "copy") as copy:
        reader = log.batches()
        while (piece := reader.read(2000)) is not None:
            copy.append_raw(piece.view)
        assert copy.end_offset == log.end_offset
        assert copy.read(700).value == log.read(700).value


def test_views_outlive_the_log(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append(b"some value")
        batch = next(log.batches())
        piece = log.batches().read()
    view, whole = piece.view, batch.view
    del piece, batch
    assert b"some value" in bytes(view)
    assert view == whole
    assert view.readonly


def test_checksums_are_checked_when_asked_for(tmp_path: Path) -> None:
    handle = Handle(tmp_path)
    for n in range(3):
        handle.log.append_many([b"record %d" % n] * 10)
    path = Path(handle.log.segments()[0].path)
    handle.close()
    data = bytearray(path.read_bytes())
    second = data.index(b"record 1")
    data[second] ^= 1
    path.write_bytes(data)
    with opened(tmp_path) as log:
        assert len(list(log.batches(check_crcs=False))) == 3
        reader = log.batches()
        assert reader.read().batch_count == 1  # what is good comes first
        with pytest.raises(errors.CorruptRecord):
            reader.read()
        assert next(log.batches(20)).base_offset == 20
