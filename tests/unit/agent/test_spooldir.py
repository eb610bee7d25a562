"""Spooled files: each once, in order, renamed or deleted when done."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from logflume.errors import CorruptRecord, InvalidConfig, StorageError

from .conftest import Make


def wait_for(path: Path) -> None:
    end = time.monotonic() + 60
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert path.exists()


def test_files_in_order_then_renamed(flow: Make, tmp_path: Path) -> None:
    for number, name in enumerate(("b", "a")):
        (tmp_path / name).write_bytes(b"%s1\n%s2" % (name.encode(), name.encode()))
        os.utime(tmp_path / name, (1000 + number, 1000 + number))
    one = flow(
        "spooldir", spoolDir=str(tmp_path), basenameHeader="true", fileHeader="true", batchSize="1"
    ).start()
    assert one.until(4) == [b"b1", b"b2", b"a1", b"a2"]
    assert one.events[0][0] == {"basename": "b", "file": str(tmp_path / "b")}
    wait_for(tmp_path / "a.COMPLETED")
    assert sorted(os.listdir(tmp_path)) == ["a.COMPLETED", "b.COMPLETED"]


def test_patterns_and_deletion(flow: Make, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"1\n")
    (tmp_path / "x.tmp").write_bytes(b"2\n")
    (tmp_path / "y.csv").write_bytes(b"3\n")
    one = flow(
        "spooldir",
        spoolDir=str(tmp_path),
        includePattern=r".*\.csv",
        ignorePattern="y.*",
        deletePolicy="immediate",
    ).start()
    assert one.until(1) == [b"1"]
    one.stop()
    assert sorted(os.listdir(tmp_path)) == ["x.tmp", "y.csv"]


def test_tracker_directory_leaves_files_alone(flow: Make, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1\n")
    given = {"spoolDir": str(tmp_path), "trackingPolicy": "tracker_dir"}
    first = flow("spooldir", **given).start()
    first.until(1)
    wait_for(tmp_path / ".flumespool" / "a.COMPLETED")
    first.stop()
    (tmp_path / "b").write_bytes(b"2\n")
    assert flow("spooldir", **given).start().until(1) == [b"2"]


def test_directories_inside(flow: Make, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_bytes(b"1\n")
    one = flow("spooldir", spoolDir=str(tmp_path), recursiveDirectorySearch="true").start()
    assert one.until(1) == [b"1"]


def test_it_goes_on_inside_a_file(flow: Make, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1\n2\n3\n")
    place = {"path": str(path), "inode": path.stat().st_ino, "position": 4}
    one = flow("spooldir", {"file": json.dumps(place)}, spoolDir=str(tmp_path)).start()
    assert one.until(1) == [b"3"]
    wait_for(tmp_path / "a.COMPLETED")
    assert one.bodies == [b"3"]


def test_a_file_read_to_its_end_before_the_crash_is_only_renamed(
    flow: Make, tmp_path: Path
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1\n")
    place = {"path": str(path), "inode": path.stat().st_ino, "position": 2}
    one = flow("spooldir", {"file": json.dumps(place)}, spoolDir=str(tmp_path)).start()
    wait_for(tmp_path / "a.COMPLETED")
    assert one.bodies == []


def test_a_name_that_comes_again_stops_the_source(flow: Make, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1\n")
    (tmp_path / "a.COMPLETED").write_bytes(b"")
    with pytest.raises(StorageError, match="name came again"):
        flow("spooldir", spoolDir=str(tmp_path)).source.run()


def test_a_file_that_changes_meanwhile_stops_the_source(flow: Make, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1\n2\n")
    one = flow("spooldir", spoolDir=str(tmp_path), batchSize="1")
    deliver = one.source.deliver

    def changing(*args: object) -> None:
        with path.open("ab") as file:
            file.write(b"more\n")
        deliver(*args)  # type: ignore[arg-type]

    one.source.deliver = changing
    with pytest.raises(StorageError, match="was changed while it was read"):
        one.source.run()


def test_long_lines_charsets_and_blobs(flow: Make, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("äbcde\n".encode("latin-1"))
    given = {"spoolDir": str(tmp_path), "inputCharset": "ISO-8859-1"}
    assert flow("spooldir", **given, deserializer__maxLineLength="4").start().until(2) == [
        "äbc".encode(),
        b"de",
    ]
    (tmp_path / "b").write_bytes(b"12\n45")
    blob = flow(
        "spooldir",
        spoolDir=str(tmp_path),
        deserializer="org.apache.flume.sink.solr.morphline.BlobDeserializer$Builder",
        deserializer__maxBlobLength="3",
        ignorePattern="a",
    )
    assert blob.start().until(2) == [b"12\n", b"45"]


def test_undecodable_bytes(flow: Make, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff\n")
    given = {"spoolDir": str(tmp_path), "inputCharset": "ascii"}
    with pytest.raises(CorruptRecord, match="ascii"):
        flow("spooldir", **given).source.run()
    assert flow("spooldir", **given, decodeErrorPolicy="REPLACE").start().until(1) == [
        "\ufffd".encode()
    ]


@pytest.mark.parametrize(
    ("policy", "body"), [("FAIL", b"a\xffb"), ("REPLACE", "a\ufffdb".encode()), ("IGNORE", b"ab")]
)
def test_undecodable_bytes_of_utf_8(flow: Make, tmp_path: Path, policy: str, body: bytes) -> None:
    (tmp_path / "a").write_bytes(b"a\xffb\n")
    one = flow("spooldir", spoolDir=str(tmp_path), decodeErrorPolicy=policy)
    assert one.start().until(1) == [body]


def test_an_encoding_whose_lines_end_otherwise_is_named(flow: Make, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"UTF-16LE.*is not served for lines"):
        flow("spooldir", spoolDir=str(tmp_path), inputCharset="UTF-16LE")


def test_wrong_properties_are_named(flow: Make, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="there is no such deserializer"):
        flow("spooldir", spoolDir=str(tmp_path), deserializer="csv")
    with pytest.raises(StorageError, match="is no directory"):
        flow("spooldir", spoolDir=str(tmp_path / "gone")).source.open()
