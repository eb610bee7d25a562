"""The file roll sink: what is settled stays, what is not is undone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from logflume.agent import registry
from logflume.agent.components import Context
from logflume.agent.events import EventBatch
from logflume.agent.options import parse_component
from logflume.agent.sinks import FileRoll
from logflume.agent.stores import Stores
from logflume.errors import InvalidConfig, StorageError


def made(directory: Path, **given: str) -> FileRoll:
    kind = registry.find("sink", "file_roll", "type")
    options = {"sink.directory": str(directory), "sink.rollInterval": "0"}
    options |= {name.replace("__", "."): value for name, value in given.items()}
    sink = kind("k", parse_component(kind.Config, options), Context("a", Stores()))
    assert isinstance(sink, FileRoll)
    sink.open()
    return sink


def put(sink: FileRoll, *bodies: bytes, settle: bool = True) -> str | None:
    sink.write(EventBatch(list(bodies)))
    if not settle:
        return None
    sink.settle()
    note = sink.note()
    sink.settled()
    return note


def content(directory: Path) -> bytes:
    return b"".join(
        path.read_bytes()
        for path in sorted(directory.iterdir(), key=lambda p: (len(p.name), p.name))
    )


def test_lines(tmp_path: Path) -> None:
    sink = made(tmp_path)
    put(sink, b"1", b"2")
    put(sink, b"3")
    sink.close()
    assert content(tmp_path) == b"1\n2\n3\n"
    assert len(os.listdir(tmp_path)) == 1


def test_what_was_not_settled_is_cut_off(tmp_path: Path) -> None:
    sink = made(tmp_path)
    note = put(sink, b"1")
    put(sink, b"2", settle=False)
    again = made(tmp_path)  # the process died: nothing was closed
    again.restore(note)
    put(again, b"2")
    again.close()
    assert content(tmp_path) == b"1\n2\n"


def test_the_very_first_file_is_removed_when_nothing_was_settled(tmp_path: Path) -> None:
    sink = made(tmp_path)
    note = sink.note()  # stored before the first write
    put(sink, b"1", settle=False)
    again = made(tmp_path)
    again.restore(note)
    assert os.listdir(tmp_path) == []


def test_a_file_begun_after_the_last_settling_is_removed(tmp_path: Path) -> None:
    sink = made(tmp_path, sink__rollCount="1")
    note = put(sink, b"1")
    put(sink, b"2", settle=False)
    assert len(os.listdir(tmp_path)) == 2
    again = made(tmp_path)
    again.restore(note)
    assert content(tmp_path) == b"1\n"


def test_after_a_failure_the_same_sink_goes_on(tmp_path: Path) -> None:
    sink = made(tmp_path)
    note = put(sink, b"1")
    put(sink, b"2", settle=False)
    sink.restore(note)
    put(sink, b"2")
    sink.close()
    assert content(tmp_path) == b"1\n2\n"


@pytest.mark.parametrize(
    ("option", "files"), [({"sink__rollCount": "2"}, 2), ({"sink__rollSize": "4"}, 2)]
)
def test_rolling(tmp_path: Path, option: dict[str, str], files: int) -> None:
    sink = made(tmp_path, **option)
    for number in range(4):
        put(sink, b"%d" % number)
    sink.close()
    assert len(os.listdir(tmp_path)) == files
    assert content(tmp_path) == b"0\n1\n2\n3\n"


def test_rolling_by_time_also_without_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("logflume.agent.sinks.file_roll.time.monotonic", lambda: now[0])
    sink = made(tmp_path, sink__rollInterval="30")
    put(sink, b"1")
    now[0] = 131.0
    sink.idle()
    put(sink, b"2")
    assert len(os.listdir(tmp_path)) == 2


def test_names(tmp_path: Path) -> None:
    sink = made(tmp_path, sink__pathManager__prefix="web-", sink__pathManager__extension="log")
    put(sink, b"1")
    (name,) = os.listdir(tmp_path)
    assert name.startswith("web-")
    assert name.endswith("-1.log")


@pytest.mark.parametrize(
    ("serializer", "expected"),
    [
        ("header_and_text", b"{a=1, b=2} x\n"),
        ("json", b'{"headers": {"a": "1", "b": "2"}, "body": "x"}\n'),
        ("org.apache.flume.serialization.BodyTextEventSerializer$Builder", b"x\n"),
    ],
)
def test_serializers(tmp_path: Path, serializer: str, expected: bytes) -> None:
    sink = made(tmp_path, sink__serializer=serializer)
    sink.write(EventBatch.of_rows([({"a": "1", "b": "2"}, b"x")]))
    sink.close()
    assert content(tmp_path) == expected


def test_a_serializers_property(tmp_path: Path) -> None:
    sink = made(tmp_path, sink__serializer__appendNewline="false")
    put(sink, b"1", b"2")
    assert content(tmp_path) == b"12"
    with pytest.raises(InvalidConfig, match="appendNewLine"):
        made(tmp_path, sink__serializer__appendNewLine="false")


def test_somebody_elses_file_is_not_written_into(tmp_path: Path) -> None:
    sink = made(tmp_path)
    note = sink.note()
    assert note is not None
    Path(json.loads(note)["next"]).write_bytes(b"theirs")
    with pytest.raises(StorageError, match="not ours"):
        sink.write(EventBatch([b"1"]))


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = made(tmp_path)
    note = put(sink, b"1")

    def full(fd: int, data: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("logflume.agent.sinks.file_roll.os.write", full)
    from logflume.errors import DiskFull

    with pytest.raises(DiskFull, match=str(tmp_path)):
        sink.write(EventBatch([b"2"]))
    monkeypatch.undo()
    sink.restore(note)
    put(sink, b"2")
    assert content(tmp_path) == b"1\n2\n"
