"""Compaction killed, or failing, at each of its steps: readers see the same latest values, and no offset moved."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from crash.compaction_script import SETTINGS, put
from logflume import errors
from logflume._native.partition_log import arm_failpoints, failpoint_names
from support.children import Child
from support.cleaning import batches_of, compact
from support.partitions import Handle, Row, as_after_kill, opened, read_all

pytestmark = pytest.mark.crash

NAMES = [name for name in failpoint_names() if name.startswith("compact.")]
LEFT = (".cleaned", ".swap", ".tmp")


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Segments of which groups become one, an active one behind them; not closed cleanly."""
    where = tmp_path_factory.mktemp("dirty")
    handle = Handle(where / "live", **SETTINGS)
    number = 0
    for _ in range(150):
        number = put(handle.log, number)
    as_after_kill(where / "live", where / "killed")
    handle.close()
    return where / "killed"


def latest(rows: list[Row]) -> dict[bytes | None, Row]:
    return {row.key: row for row in rows}


def check(log: object, before: list[Row], end: int) -> None:
    """Between all of the records and the latest of each key: nothing else, nothing less, at their offsets."""
    rows = [row for row in read_all(log) if row.offset < end]  # type: ignore[arg-type]
    assert rows == sorted(set(rows) & set(before))
    assert latest(rows) == latest(before)


def leftovers(directory: Path) -> list[str]:
    return [p.name for p in (directory / "t-0").iterdir() if p.suffix in LEFT]


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_killed_there_and_opened_alone(name: str, nth: int, dirty: Path, tmp_path: Path) -> None:
    shutil.copytree(dirty, tmp_path, dirs_exist_ok=True)
    with opened(dirty, read_only=True, **SETTINGS) as log:
        before, end = read_all(log), log.end_offset
    point = f"{name}:{nth}:kill"
    with Child("crash.compaction_script", "run", failpoint=point, directory=tmp_path) as child:
        status = child.finish()
        assert status == -signal.SIGKILL or (nth == 2 and not status), (status, child.errors())
    with opened(tmp_path, read_only=True, **SETTINGS) as log:
        check(log, before, end)
    with opened(tmp_path, **SETTINGS) as log:
        assert not leftovers(tmp_path)
        assert log.end_offset == end
        check(log, before, end)
        put(log, end)
        compact(log)
        compact(log)
        check(log, before + read_all(log, end), end + 4)
        rows = read_all(log)
    assert [b.base_offset for b in batches_of(tmp_path / "t-0")] == sorted(
        {b.base_offset for b in batches_of(tmp_path / "t-0")}
    )
    with opened(tmp_path, **SETTINGS) as log:
        assert log.recovery.clean
        assert read_all(log) == rows


@pytest.mark.parametrize("name", NAMES)
def test_killed_there_while_others_have_it_open(name: str, dirty: Path, tmp_path: Path) -> None:
    """No recovery: whoever takes the dead one's lock makes whole what it left."""
    shutil.copytree(dirty, tmp_path, dirs_exist_ok=True)
    with opened(tmp_path, **SETTINGS) as log, opened(tmp_path, **SETTINGS) as other:
        before, end = read_all(log), log.end_offset
        reader = other.reader()
        seen = [record.offset for record in reader.read(30)]
        point = f"{name}:1:kill"
        with Child("crash.compaction_script", "run", failpoint=point, directory=tmp_path) as child:
            assert child.finish() == -signal.SIGKILL, child.errors()
        check(log, before, end)
        seen += [record.offset for record in reader.read(1000, 1 << 20)]
        assert seen == sorted(set(seen))
        assert set(seen) >= {row.offset for row in latest(before).values()}
        assert put(log, end) == log.end_offset
        check(other, before + read_all(other, end), end + 4)
        compact(other)
        assert not leftovers(tmp_path)
        for handle in (log, other):
            check(handle, before + read_all(handle, end), end + 4)
        rows = read_all(log)
    with opened(tmp_path, **SETTINGS) as log:
        assert log.recovery.clean
        assert read_all(log) == rows


@pytest.mark.parametrize("name", NAMES)
def test_an_error_there(name: str, dirty: Path, tmp_path: Path) -> None:
    """A typed error; writers go on, and the next compaction ends what this one began."""
    shutil.copytree(dirty, tmp_path, dirs_exist_ok=True)
    with opened(tmp_path, **SETTINGS) as log, opened(tmp_path, **SETTINGS) as other:
        before, end = read_all(log), log.end_offset
        arm_failpoints(f"{name}:1:raise")
        try:
            with pytest.raises(errors.StorageError):
                compact(log)
        finally:
            arm_failpoints("")
        for handle in (log, other):
            check(handle, before, end)
        put(other, end)
        compact(log)
        assert not leftovers(tmp_path)
        for handle in (log, other):
            check(handle, before + read_all(handle, end), end + 4)


def test_leftovers_of_a_kafka(dirty: Path, tmp_path: Path) -> None:
    """Kafka deletes the originals before it renames: `.swap` files alone hold the records then."""
    shutil.copytree(dirty, tmp_path, dirs_exist_ok=True)
    with opened(tmp_path, **SETTINGS) as log:
        before, end = read_all(log), log.end_offset
    log_file = min((tmp_path / "t-0").glob("*.log"))
    log_file.rename(f"{log_file}.swap")
    with pytest.raises(errors.UnsupportedFormat, match="interrupted"):
        Handle(tmp_path, read_only=True, **SETTINGS)
    (tmp_path / "t-0" / "00000000000000000000.index.swap").write_bytes(b"")
    (tmp_path / "t-0" / "00000000000000009999.log.cleaned").write_bytes(b"half")
    with opened(tmp_path, **SETTINGS) as log:
        assert not leftovers(tmp_path)
        assert (read_all(log), log.end_offset) == (before, end)


def test_a_half_renamed_segment_of_a_kafka_is_undone(dirty: Path, tmp_path: Path) -> None:
    """Kafka renames the log first: its `.swap` beside a `.cleaned` index means that no original has gone."""
    shutil.copytree(dirty, tmp_path, dirs_exist_ok=True)
    with opened(tmp_path, **SETTINGS) as log:
        before = read_all(log)
    (tmp_path / "t-0" / "00000000000000000000.log.swap").write_bytes(b"")
    (tmp_path / "t-0" / "00000000000000000000.index.cleaned").write_bytes(b"")
    with opened(tmp_path, **SETTINGS) as log:
        assert not leftovers(tmp_path)
        assert read_all(log) == before


@pytest.mark.parametrize("compactors", [1, 2])
def test_writers_and_readers_in_other_processes(compactors: int, tmp_path: Path) -> None:
    seconds = 4.0
    (tmp_path / "t-0").mkdir()
    children = [
        Child("crash.compaction_script", what, directory=tmp_path, seconds=seconds)
        for what in ("write", "read", "read", *["again"] * compactors)
    ]
    for child in children:
        with child:
            assert child.finish() == 0, child.errors()
    told = {line[0]: int(line[1]) for child in children for line in child.lines}
    assert told["passes"] > 3
    assert told["rounds"] > 3
    with opened(tmp_path, **SETTINGS) as log:
        assert log.end_offset == told["written"]
        compact(log)
        assert len(read_all(log)) < told["written"] / 2
