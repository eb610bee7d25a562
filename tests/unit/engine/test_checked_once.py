"""A batch's checksum is computed once a process, in whatever order batches are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from logflume import errors
from support.partitions import Handle

RECORDS = 100  # of 100 bytes, a batch of more than 4 KiB


def damage(segment: Path, position: int) -> None:
    with segment.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)
        file.seek(position)
        file.write(bytes([byte[0] ^ 1]))


def test_batches_read_out_of_order_are_not_checked_again(tmp_path: Path) -> None:
    handle = Handle(tmp_path)
    log = handle.log
    for _ in range(10):
        log.append_many([bytes(100)] * RECORDS)
    handle.close()
    handle = Handle(tmp_path)
    log = handle.log
    segment = Path(log.segments()[0].path)
    size = segment.stat().st_size // 10
    for number in (5, 2, 8):
        assert len(log.read_batch(number * RECORDS, RECORDS)) == RECORDS
    for number in (5, 2, 8, 6):
        damage(segment, number * size + 200)  # inside the first value
    for number in (5, 2, 8):
        assert len(log.read_batch(number * RECORDS, RECORDS)) == RECORDS
    with pytest.raises(errors.CorruptRecord):
        log.read_batch(6 * RECORDS, RECORDS)
    handle.close()


@pytest.mark.parametrize("settings", [{}, {"compression": 3}, {"append_time": True}], ids=str)
def test_reading_goes_on_behind_a_time_that_was_found(
    tmp_path: Path, settings: dict[str, int]
) -> None:
    handle = Handle(tmp_path, **settings)
    log = handle.log
    log.append_many([b"%d" % n for n in range(1000)], timestamps=[n * 10 for n in range(1000)])
    reader = log.reader()
    if settings.get("append_time"):
        when = log.read(0).timestamp
        assert reader.seek_to_time(0) == (0, when)
        assert reader.seek_to_time(when + 1) is None
    else:
        assert reader.seek_to_time(5001) == (501, 5010)
        assert reader.position == 501
        assert reader.read(2).values.tolist() == [b"501", b"502"]
        assert reader.seek_to_time(20) == (2, 20)
        assert reader.read(1).offsets.tolist() == [2]
        assert reader.seek_to_time(9991) is None
    handle.close()


def test_a_time_is_found_at_or_behind_the_start_only(tmp_path: Path) -> None:
    handle = Handle(tmp_path)
    log = handle.log
    log.append_many([b"x"] * 3, timestamps=[50, 10, 20])
    log.append_many([b"x"] * 3, timestamps=[15, 5, 60])
    log.set_start_offset(1)
    assert log.reader(1).seek_to_time(50) == (5, 60)
    assert log.reader(1).seek_to_time(15) == (2, 20)
    handle.close()


def test_looking_up_once_and_again_finds_the_same(tmp_path: Path) -> None:
    """The first look-up in a batch passes over its records, the second decodes them."""
    handle = Handle(tmp_path)
    log = handle.log
    for n in range(20):
        log.append_many(
            [b"%d" % (n * 500 + i) * (i % 40 + 1) for i in range(500)], keys=[b"k"] * 500
        )
    handle.close()
    handle = Handle(tmp_path)
    log = handle.log
    offsets = [(n * 7919) % 10_000 for n in range(3000)]
    for offset in offsets + offsets:
        record = log.read(offset)
        assert (record.offset, record.key) == (offset, b"k")
        assert record.value == b"%d" % offset * (offset % 500 % 40 + 1)
    handle.close()
    handle = Handle(tmp_path)
    assert handle.log.lookup(offsets).offsets.tolist() == offsets
    handle.close()


def test_times_that_many_batches_share(tmp_path: Path) -> None:
    """Large appends have one time each; late records and small batches come between."""
    handle = Handle(tmp_path, segment_bytes=200_000)
    log = handle.log
    times: list[int] = []
    for burst in range(12):
        count = 1500 if burst % 3 else 7
        stamps = [1000 + burst * 10 - (3 if i == 5 and burst % 2 else 0) for i in range(count)]
        log.append_many([bytes(100)] * count, timestamps=stamps, batch_bytes=8192)
        times += stamps
    for again in range(2):
        for when in range(990, 1125):
            expected = next((i for i, stamp in enumerate(times) if stamp >= when), None)
            assert log.offset_for_time(when) == expected, (again, when)
        handle.close()
        handle = Handle(tmp_path, segment_bytes=200_000)
        log = handle.log
    handle.close()


def test_a_damaged_batch_is_refused_by_every_kind_of_look_up(tmp_path: Path) -> None:
    handle = Handle(tmp_path)
    log = handle.log
    for _ in range(10):
        log.append_many([bytes(100)] * RECORDS)
    handle.close()
    handle = Handle(tmp_path)
    log = handle.log
    segment = Path(log.segments()[0].path)
    assert len(log.lookup([5, 555])) == 2
    damage(segment, 6 * (segment.stat().st_size // 10) + 200)
    for _ in range(2):
        with pytest.raises(errors.CorruptRecord):
            log.lookup([5, 650])
        with pytest.raises(errors.CorruptRecord):
            log.read(650)
        assert log.lookup([5, 555, 750]).offsets.tolist() == [5, 555, 750]
    handle.close()
