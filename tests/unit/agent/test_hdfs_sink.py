"""The HDFS sink on this machine's files: what is settled stays, what is not is undone, names as Flume's."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logflume.agent import registry
from logflume.agent.buckets import files as files_module
from logflume.agent.buckets.local_store import LocalStore
from logflume.agent.components import Context
from logflume.agent.events import EventBatch
from logflume.agent.options import parse_component
from logflume.agent.sinks import HdfsSink
from logflume.agent.stores import Stores
from logflume.errors import InvalidRecord, StorageError, Timeout

from .running import running, until

PLAIN = {
    "hdfs.fileType": "DataStream",
    "hdfs.rollCount": "0",
    "hdfs.rollSize": "0",
    "hdfs.rollInterval": "0",
    "hdfs.retryInterval": "1",
}


def sink_of(given: dict[str, str]) -> HdfsSink:
    kind = registry.find("sink", "hdfs", "type")
    one = kind("k", parse_component(kind.Config, given), Context("a", Stores()))
    assert isinstance(one, HdfsSink)
    return one


class Kept:
    """A sink, and the note that its channel would have."""

    def __init__(self, directory: Path, **given: str) -> None:
        self.directory = directory
        options = PLAIN | {"hdfs.path": f"file://{directory}"}
        self.options = options | {name.replace("__", "."): value for name, value in given.items()}
        self.note: str | None = None
        self.begin()

    def begin(self) -> None:
        """A process after this one, that knows the note only."""
        self.sink = sink_of(self.options)
        self.sink.remember = self._remember
        self.restore()

    def _remember(self) -> None:
        self.note = self.sink.note()

    def restore(self) -> None:
        self.sink.restore(self.note)
        self._remember()

    def put(self, *bodies: bytes, settle: bool = True, **headers: str) -> None:
        self.sink.write(EventBatch(list(bodies), headers))
        if settle:
            self.settle()

    def settle(self) -> None:
        self.sink.settle()
        self._remember()
        self.sink.settled()

    def files(self) -> dict[str, bytes]:
        paths = sorted(p for p in self.directory.rglob("*") if p.is_file())
        return {str(p.relative_to(self.directory)): p.read_bytes() for p in paths}

    @property
    def contents(self) -> list[bytes]:
        return list(self.files().values())


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Callable[..., Kept]]:
    made: list[Kept] = []

    def make(**given: str) -> Kept:
        made.append(Kept(tmp_path / "out", **given))
        return made[-1]

    yield make
    for one in made:
        one.sink.close()


Make = Callable[..., Kept]


def test_a_file_has_its_final_name_when_it_is_closed(kept: Make) -> None:
    one = kept()
    one.put(b"1", b"2")
    (name,) = one.files()
    assert name.startswith("FlumeData.")
    assert name.endswith(".tmp")
    one.sink.close()
    assert one.files() == {name.removesuffix(".tmp"): b"1\n2\n"}


def test_names(kept: Make) -> None:
    one = kept(
        hdfs__filePrefix="%{host}-x",
        hdfs__fileSuffix=".log",
        hdfs__inUsePrefix="_",
        hdfs__inUseSuffix=".part",
    )
    one.put(b"1", host="h")
    (name,) = one.files()
    assert name.startswith("_h-x.")
    assert name.endswith(".log.part")
    one.sink.close()
    assert list(one.files()) == [name.removeprefix("_").removesuffix(".part")]


def test_no_name_of_the_meantime_at_all(kept: Make) -> None:
    one = kept(hdfs__emptyInUseSuffix="true")
    one.put(b"1")
    one.put(b"2", settle=False)
    one.begin()
    one.put(b"2")
    one.sink.close()
    assert one.contents == [b"1\n", b"2\n"]


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        ({"hdfs__rollCount": "3"}, [3, 3, 3, 1]),
        ({"hdfs__rollSize": "8"}, [4, 4, 2]),  # two bytes each: the fourth reaches the limit
        ({"hdfs__rollSize": "7"}, [4, 4, 2]),
        ({"hdfs__rollSize": "1"}, [1] * 10),
        ({"hdfs__rollCount": "5", "hdfs__rollSize": "6"}, [3, 3, 3, 1]),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_rolling_at_the_very_event(
    kept: Make, given: dict[str, str], sizes: list[int], together: bool
) -> None:
    one = kept(**given)
    bodies = [b"%02d" % number for number in range(10)]
    for part in [bodies] if together else [[body] for body in bodies]:
        one.put(*part)
    one.sink.close()
    assert [content.count(b"\n") for content in one.contents] == sizes
    assert b"".join(one.contents) == b"".join(body + b"\n" for body in bodies)
    numbers = [int(name.split(".")[1]) for name in one.files()]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_rolling_by_time(kept: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    one = kept(hdfs__rollInterval="30", hdfs__idleTimeout="10")
    monkeypatch.setattr(one.sink._files, "_clock", lambda: now[0])
    one.put(b"1")
    for now[0] in (105.0, 112.0, 119.0, 126.0):
        one.put(b"2")
        assert [name[-4:] for name in one.files()] == [".tmp"]
    now[0] = 130.5
    one.sink.idle()
    assert one.contents == [b"1\n2\n2\n2\n2\n"]
    assert not any(name.endswith(".tmp") for name in one.files())
    one.put(b"3")
    now[0] = 141.0  # idle for ten seconds
    one.sink.idle()
    assert not any(name.endswith(".tmp") for name in one.files())
    assert len(one.files()) == 2


def test_of_too_many_files_the_oldest_is_closed(kept: Make) -> None:
    one = kept(hdfs__maxOpenFiles="2", hdfs__filePrefix="%{h}")
    for host in "abac":
        one.put(host.encode(), h=host)
    assert [name[0] + name[-4:] for name in one.files() if name.endswith(".tmp")] == [
        "a.tmp",
        "c.tmp",
    ]


# ---- undoing


def test_what_was_not_settled_is_cut_off_after_a_crash(kept: Make) -> None:
    one = kept(hdfs__filePrefix="%{h}")
    one.put(b"1", h="a")
    one.put(b"2", settle=False, h="a")
    one.put(b"3", settle=False, h="b")
    assert len(one.files()) == 2
    one.begin()
    (name,) = one.files()
    assert not name.endswith(".tmp")
    assert one.contents == [b"1\n"]


def test_the_very_first_file_is_removed(kept: Make) -> None:
    one = kept()
    one.put(b"1", settle=False)
    assert len(one.files()) == 1
    one.begin()
    assert one.files() == {}


def test_files_closed_and_not_settled_are_removed(kept: Make) -> None:
    one = kept(hdfs__rollCount="2")
    one.put(b"1")
    one.put(b"2", b"3", b"4", b"5", settle=False)
    assert all(name.endswith(".tmp") for name in one.files())
    one.begin()
    one.put(b"2", b"3", b"4", b"5")
    one.sink.close()
    assert b"".join(one.contents) == b"1\n2\n3\n4\n5\n"


def test_a_crash_before_the_names_are_final(kept: Make) -> None:
    one = kept(hdfs__rollCount="1")
    one.put(b"1", b"2", settle=False)
    one.sink.settle()
    one._remember()  # the channel has it; then the process dies
    assert all(name.endswith(".tmp") for name in one.files())
    one.begin()
    assert one.contents == [b"1\n", b"2\n"]
    assert not any(name.endswith(".tmp") for name in one.files())


def test_a_crash_behind_the_names(kept: Make) -> None:
    one = kept(hdfs__rollCount="1")
    one.put(b"1", b"2")
    first, second = one.files()
    assert not first.endswith(".tmp")
    one.begin()  # the note still has the first one's name of the meantime
    assert one.files() == {first: b"1\n", second.removesuffix(".tmp"): b"2\n"}


def test_the_same_process_goes_on_after_a_failure(kept: Make) -> None:
    one = kept()
    one.put(b"1")
    one.put(b"2", settle=False)
    one.restore()
    one.put(b"2")
    one.sink.close()
    assert one.contents == [b"1\n", b"2\n"]


def test_a_batch_that_failed_half_way_is_undone_at_once(kept: Make) -> None:
    """Another sink of the group delivers it, and then this one is settled, too."""
    one = kept(hdfs__filePrefix="%{h}", hdfs__fileType="SequenceFile")
    one.put(b"0", h="a")
    rows = [({"h": "a"}, b"1"), ({"h": "b", "timestamp": "none"}, b"2")]
    with pytest.raises(InvalidRecord):
        one.sink.write(EventBatch.of_rows(rows))
    one.settle()
    (name,) = one.files()
    assert name.startswith("a.")
    assert one.contents[0].count(b"\x00\x00\x00\x01") == 1
    assert one.sink.counters["ConnectionFailedCount"] == 0


def test_a_compressed_file_is_whole_wherever_it_was_settled(kept: Make) -> None:
    one = kept(hdfs__fileType="CompressedStream", hdfs__codeC="gzip")
    for number in range(3):
        one.put(b"%d" % number)
    one.put(b"lost", settle=False)
    one.begin()
    (name,) = one.files()
    assert name.endswith(".gz")
    assert gzip.decompress(one.contents[0]) == b"0\n1\n2\n"


def test_an_avro_file_is_whole_wherever_it_was_settled(kept: Make, tmp_path: Path) -> None:
    import fastavro

    one = kept(serializer="avro_event", hdfs__fileSuffix=".avro")
    one.put(b"1", a="b")
    one.put(b"2")
    one.put(b"lost", settle=False)
    one.begin()
    (name,) = one.files()
    with (one.directory / name).open("rb") as file:
        found = list(fastavro.reader(file))
    assert found == [{"headers": {"a": "b"}, "body": b"1"}, {"headers": {}, "body": b"2"}]


def test_settled_events_that_are_gone_are_said(
    kept: Make, caplog: pytest.LogCaptureFixture
) -> None:
    one = kept(hdfs__closeTries="1")
    one.put(b"12345")
    one.sink._files._open.clear()  # a crash
    (name,) = one.files()
    (one.directory / name).write_bytes(b"12")
    one.begin()
    assert "file_given_up" in caplog.text
    assert "has 2 bytes of the 6 that were synced" in caplog.text
    assert one.files() == {name: b"12"}


# ---- failures


def test_a_name_that_cannot_be_had_is_tried_again(
    kept: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    one = kept(hdfs__rollCount="1", hdfs__retryInterval="20")
    for owner in (one.sink._files, one.sink._files._left):
        monkeypatch.setattr(owner, "_clock", lambda: now[0])

    def refused(self: object, path: str, final: str) -> bool:
        raise StorageError(path=final, reason="not now")

    with monkeypatch.context() as broken:
        broken.setattr(LocalStore, "publish", refused)
        one.put(b"1", b"2")
    names = list(one.files())
    assert all(name.endswith(".tmp") for name in names)
    one.sink.idle()
    assert list(one.files()) == names
    now[0] = 121.0
    one.sink.idle()
    assert list(one.files()) == [names[0].removesuffix(".tmp"), names[1]]


def test_after_so_many_tries_it_keeps_the_other_name(
    kept: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = kept(hdfs__rollCount="1", hdfs__closeTries="2", hdfs__retryInterval="1")

    def refused(self: object, path: str, final: str) -> bool:
        raise StorageError(path=final, reason="never")

    monkeypatch.setattr(LocalStore, "publish", refused)
    one.put(b"1", b"2")
    (one.sink._files._open.popitem())  # a file that is still open is noted
    monkeypatch.setattr(one.sink._files._left, "_clock", lambda: 1e12)
    one.sink.idle()
    one._remember()
    assert json.loads(one.note or "")["files"] == {}
    assert all(name.endswith(".tmp") for name in one.files())
    assert one.sink.counters["ConnectionFailedCount"] == 2


def test_a_call_that_hangs_is_given_up(kept: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = kept(hdfs__callTimeout="100")
    release = threading.Event()

    def hangs(self: object, path: str) -> Any:
        release.wait(60)
        raise StorageError(path=path, reason="much later")

    with monkeypatch.context() as broken:
        broken.setattr(LocalStore, "create", hangs)
        with pytest.raises(Timeout):
            one.put(b"1")
        release.set()
    one.sink._calls._timeout_s = 60.0  # a slow machine
    one.restore()
    one.put(b"1")
    one.sink.close()
    assert one.contents == [b"1\n"]


def test_a_file_that_is_there_is_somebody_elses(kept: Make) -> None:
    one = kept()
    name = f"FlumeData.{one.sink._files._counter + 1}"
    one.directory.mkdir()
    (one.directory / f"{name}.tmp").write_bytes(b"theirs")
    with pytest.raises(StorageError, match="not ours"):
        one.put(b"1")


def test_a_header_leads_nowhere_else(kept: Make) -> None:
    one = kept(hdfs__filePrefix="%{h}")
    with pytest.raises(InvalidRecord, match="out of its directory"):
        one.put(b"1", h="../../x")
    assert one.files() == {}


def test_many_files_are_noted_in_the_channel(tmp_path: Path) -> None:
    """More than an offset's metadata holds; a whole agent, stopped in the middle of nothing."""
    text = f"""
        sources = r
        channels = c
        sinks = k
        sources.r.type = seq
        sources.r.totalEvents = 3000
        sources.r.batchSize = 50
        sources.r.channels = c
        channels.c.type = file
        channels.c.dataDirs = {tmp_path}/channel
        sinks.k.type = hdfs
        sinks.k.channel = c
        sinks.k.hdfs.path = file://{tmp_path}/out
        sinks.k.hdfs.fileType = DataStream
        sinks.k.hdfs.rollCount = 7
        sinks.k.hdfs.rollSize = 0
        """
    with running(text) as agent:
        until(lambda: agent.sinks["k"].counters["EventDrainSuccessCount"] == 3000)
    lines = [line for p in (tmp_path / "out").iterdir() for line in p.read_bytes().split()]
    assert sorted(lines, key=int) == [b"%d" % number for number in range(3000)]
    assert len(list((tmp_path / "out").iterdir())) >= 3000 // 7
    assert not list((tmp_path / "out").glob("*.tmp"))


def test_the_bound_of_closed_files_asks_for_settling(
    kept: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_module, "_CLOSED_MAX", 3)
    one = kept(hdfs__rollCount="1")
    one.put(b"1", b"2", b"3", settle=False)
    assert not one.sink.is_pressed
    one.put(b"4", settle=False)
    assert one.sink.is_pressed
    one.settle()
    assert not one.sink.is_pressed
