"""Index files that are missing, short, wrong, another log's: the right answers all the same, and right files again."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support.partitions import Handle, Row, opened, read_all

pytestmark = pytest.mark.crash

SETTINGS = {"segment_bytes": 12_000, "index_interval_bytes": 300}
ENDINGS = (".index", ".timeindex")


def write(directory: Path, seed: int, *, wild: bool) -> list[Row]:
    """A closed log of several segments; `wild`: timestamps in no order."""
    rng = random.Random(seed)
    with opened(directory, **SETTINGS) as log:
        for i in range(400):
            stamp = rng.randrange(10_000) if wild else i * 10
            log.append(rng.randbytes(rng.randrange(150)), timestamp=stamp)
        assert len(log.segments()) > 3
        return read_all(log)


DAMAGES: dict[str, Callable[[bytes, bytes, random.Random], bytes | None]] = {
    "missing": lambda data, other, rng: None,
    "empty": lambda data, other, rng: b"",
    "zeroes": lambda data, other, rng: bytes(len(data)),
    "zero tail": lambda data, other, rng: data[: len(data) // 24 * 12] + bytes(120),
    "half": lambda data, other, rng: data[: len(data) // 48 * 24],
    "one entry": lambda data, other, rng: data[:24],
    "odd size": lambda data, other, rng: data[:-5],
    "another log's": lambda data, other, rng: other,
    "noise": lambda data, other, rng: rng.randbytes(len(data)),
    "preallocated": lambda data, other, rng: data + bytes(240),
}


def check(log: object, rows: list[Row]) -> None:
    for row in rows[::3]:
        assert log.read_batch(row.offset, 1)[0].value == row.value  # type: ignore[attr-defined]
    for when in range(0, 10_000, 97):
        later = (row.offset for row in rows if row.timestamp >= when)
        assert log.offset_for_time(when) == next(later, None)  # type: ignore[attr-defined]


@pytest.mark.parametrize("wild", [False, True], ids=["in order", "wild"])
@pytest.mark.parametrize(
    "endings", [ENDINGS, ENDINGS[:1], ENDINGS[1:]], ids=["both", "index", "time"]
)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_indexes_change_no_answer(
    damage: str, endings: tuple[str, ...], wild: bool, tmp_path: Path
) -> None:
    rng = random.Random(1)
    rows = write(tmp_path / "log", 1, wild=wild)
    write(tmp_path / "other", 2, wild=not wild)
    others = {ending: sorted((tmp_path / "other" / "t-0").glob("*" + ending)) for ending in endings}
    files = {
        path: path.read_bytes()
        for ending in ENDINGS
        for path in (tmp_path / "log" / "t-0").glob("*" + ending)
    }
    for ending in endings:
        for i, path in enumerate(sorted((tmp_path / "log" / "t-0").glob("*" + ending))):
            other = others[ending][i % len(others[ending])].read_bytes()
            data = DAMAGES[damage](path.read_bytes(), other, rng)
            path.unlink()
            if data is not None:
                path.write_bytes(data)
    with opened(tmp_path / "log", **SETTINGS) as log:
        assert log.recovery.clean
        check(log, rows)
    with opened(tmp_path / "log", **SETTINGS) as log:
        check(log, rows)
        assert read_all(log) == rows
        log.append(b"x", timestamp=20_000)
    if damage in ("missing", "empty", "noise"):
        for path, data in files.items():
            if path.name != max(files).name:
                assert path.read_bytes() == data, path


@pytest.mark.parametrize(("old", "new"), [(1000, 5), (5, 1000)])
def test_a_stale_index_of_a_cut_segment_is_not_believed(old: int, new: int, tmp_path: Path) -> None:
    """A closed log loses its tail; others write in its place; a second process must not use the old index."""
    with opened(tmp_path, index_interval_bytes=100) as log:
        for i in range(101):  # the last batch has an entry, so that the old index can fit again
            log.append(b"old %03d" % i, timestamp=old + i)
    path = tmp_path / "t-0" / f"{0:020}.log"
    size = path.stat().st_size // 101
    path.write_bytes(path.read_bytes()[: 20 * size])
    writer = Handle(tmp_path, index_interval_bytes=100)
    assert writer.log.end_offset == 20
    for i in range(100):
        writer.log.append(b"new %03d" % i, timestamp=new + i)
    reader = Handle(tmp_path, index_interval_bytes=100)
    for i in range(20, 120):
        assert reader.log.read(i).value == b"new %03d" % (i - 20)
    rows = read_all(reader.log)
    for row in rows:
        first = next(other.offset for other in rows if other.timestamp >= row.timestamp)
        assert reader.log.offset_for_time(row.timestamp) == first
    assert reader.log.offset_for_time(2000) is None
    reader.close()
    writer.close()


def test_an_index_of_segments_deleted_by_recovery_is_deleted_too(tmp_path: Path) -> None:
    settings = {"segment_bytes": 2000, "index_interval_bytes": 100}
    handle = Handle(tmp_path / "live", **settings)
    for i in range(60):
        handle.log.append(b"old %03d" % i, timestamp=1000 + i)
    shutil.copytree(tmp_path / "live", tmp_path / "crashed")
    handle.close()
    where = tmp_path / "crashed" / "t-0"
    (where / "logflume.state").unlink()
    second = sorted(where.glob("*.log"))[1]
    second.write_bytes(second.read_bytes()[:1000])
    with opened(tmp_path / "crashed", **settings) as log:
        end = log.end_offset
        assert log.recovery.cuts
        names = {path.stem for path in where.iterdir() if path.suffix in (".log", *ENDINGS)}
        assert len(names) == 2
        for i in range(end, 60):
            log.append(b"new %03d" % i, timestamp=i)
        second_opener = Handle(tmp_path / "crashed", **settings)
        for i in range(end, 60):
            assert second_opener.log.read(i).value == b"new %03d" % i
        second_opener.close()
