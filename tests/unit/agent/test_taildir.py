"""Tails: appended, rotated, cut off, gone; each line once."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from logflume.agent.positions import FORGOTTEN
from logflume.agent.sources import taildir
from logflume.errors import InvalidConfig, StorageError

from .conftest import Make


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    return {
        "filegroups": "f",
        "filegroups__f": str(tmp_path / r".*\.log"),
        "positionFile": str(tmp_path / "positions.json"),
    }


def test_lines_as_they_are_appended(flow: Make, given: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"1\n2\r\nunfin")
    (tmp_path / "a.txt").write_bytes(b"not matched\n")
    one = flow("taildir", **given).start()
    assert one.until(2) == [b"1", b"2"]
    with (tmp_path / "a.log").open("ab") as file:
        file.write(b"ished\n\n4\n")
    assert one.until(5) == [b"1", b"2", b"unfinished", b"", b"4"]


def test_headers_and_batches(flow: Make, given: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"aa\nb\nc\n")
    one = flow(
        "taildir",
        **given,
        headers__f__kind="web",
        fileHeader="true",
        byteOffsetHeader="true",
        batchSize="2",
    ).start()
    one.until(3)
    where = {"kind": "web", "file": str(tmp_path / "a.log")}
    assert [row for row, _ in one.events] == [{**where, "byteoffset": at} for at in ("0", "3", "5")]
    assert one.batches == [2, 1]


def test_a_rotated_file_is_read_to_its_end_and_not_again(
    flow: Make, given: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"1\n")
    one = flow("taildir", **given).start()
    one.until(1)
    with path.open("ab") as file:
        path.rename(tmp_path / "a.1.log")  # matches as well: Flume would read it twice
        path.write_bytes(b"3\n")
        file.write(b"2\n")
    assert sorted(one.until(3)) == [b"1", b"2", b"3"]
    time.sleep(0.6)
    assert len(one.events) == 3


def test_a_file_that_is_cut_off_is_read_from_its_start(
    flow: Make, given: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"1\n2\n3\n")
    one = flow("taildir", **given).start()
    one.until(3)
    os.truncate(path, 0)
    time.sleep(0.1)
    with path.open("ab") as file:
        file.write(b"4\n")
    assert one.until(4)[3:] == [b"4"]


def test_it_goes_on_where_its_events_are_stored(
    flow: Make, given: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"1\n2\n")
    first = flow("taildir", **given).start()
    first.until(2)
    first.stop()
    with path.open("ab") as file:
        file.write(b"3\n")
    second = flow("taildir", first.stored, **given).start()
    assert second.until(1) == [b"3"]
    time.sleep(0.3)
    assert second.bodies == [b"3"]


def test_flumes_position_file_is_where_the_first_start_goes_on(
    flow: Make, given: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"1\n2\n3\n")
    entry = {"inode": path.stat().st_ino, "pos": 4, "file": str(path)}
    (tmp_path / "positions.json").write_text(json.dumps([entry]))
    one = flow("taildir", **given).start()
    assert one.until(1) == [b"3"]
    one.stop()
    assert json.loads((tmp_path / "positions.json").read_text()) == [{**entry, "pos": 6}]


def test_a_new_file_with_a_known_inode_is_a_new_file(
    flow: Make, given: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"old 1\nold 2\n")
    first = flow("taildir", **given).start()
    first.until(2)
    first.stop()
    path.write_bytes(b"new 1\nnew 2\nnew 3\n")  # the same inode, as a deleted file's may come back
    second = flow("taildir", first.stored, **given).start()
    assert second.until(3) == [b"new 1", b"new 2", b"new 3"]


def test_skip_to_end(flow: Make, given: dict[str, str], tmp_path: Path) -> None:
    """What is there at the start is skipped; a file that comes later, as after a rotation, is read whole."""
    path = tmp_path / "a.log"
    path.write_bytes(b"1\n")
    one = flow("taildir", **given, skipToEnd="true").start()
    until_listed(given, path)
    (tmp_path / "new").write_bytes(b"2\n")
    (tmp_path / "new").rename(tmp_path / "b.log")
    assert one.until(1) == [b"2"]
    one.stop()
    with path.open("ab") as file:
        file.write(b"3\n")
    # Its place was kept, although no event came of it.
    again = flow("taildir", stored=one.stored, **given, skipToEnd="true").start()
    assert again.until(1) == [b"3"]


def until_listed(given: dict[str, str], *paths: Path) -> list[dict[str, object]]:
    """The position file's entries, once they are of these files."""
    end = time.monotonic() + 60
    entries: list[dict[str, object]] = []
    while {entry["file"] for entry in entries} != {str(path) for path in paths}:
        assert time.monotonic() < end, entries
        time.sleep(0.01)
        if os.path.exists(given["positionFile"]):
            entries = json.loads(Path(given["positionFile"]).read_bytes())
    return entries


def test_files_that_are_gone_are_forgotten(
    flow: Make, given: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of the position file at once, as Flume's; their places are kept for a file that comes back, for a day."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.log").write_bytes(b"1\n")
    one = flow("taildir", **given, writePosInterval="10").start()
    one.until(2)
    inode = str((tmp_path / "b.log").stat().st_ino)
    (tmp_path / "b.log").rename(tmp_path / "elsewhere")
    until_listed(given, tmp_path / "a.log")
    assert one.stored[inode]
    (tmp_path / "elsewhere").rename(tmp_path / "b.log")
    until_listed(given, tmp_path / "a.log", tmp_path / "b.log")
    assert len(one.events) == 2  # not read again
    monkeypatch.setattr(taildir, "_FORGET_S", 0.0)
    (tmp_path / "b.log").rename(tmp_path / "elsewhere")
    end = time.monotonic() + 60
    while one.stored[inode] != FORGOTTEN:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_long_line_is_cut(flow: Make, given: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"x" * 2_500_000 + b"\nend\n")
    one = flow("taildir", **given).start()
    bodies = one.until(4)
    assert b"".join(bodies) == b"x" * 2_500_000 + b"end"
    assert [len(body) for body in bodies] == [1_000_000, 1_000_000, 500_000, 3]


def test_an_idle_file_is_let_go_and_taken_up_again(
    flow: Make, given: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"1\n")
    one = flow("taildir", **given, idleTimeout="1").start()
    one.until(1)
    time.sleep(0.6)
    assert not any(
        os.path.realpath(f"/proc/self/fd/{fd}") == str(path) for fd in os.listdir("/proc/self/fd")
    )
    with path.open("ab") as file:
        file.write(b"2\n")
    assert one.until(2) == [b"1", b"2"]


def test_wrong_properties_are_named(flow: Make, given: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="must be an absolute path"):
        flow("taildir", **{**given, "filegroups__f": r"logs/.*\.log"})
    with pytest.raises(InvalidConfig, match="g is not named in filegroups"):
        flow("taildir", **given, filegroups__g="/x/y")
    (tmp_path / "positions.json").write_text("{nonsense")
    with pytest.raises(StorageError, match=r"positions\.json"):
        flow("taildir", **given).source.run()
