"""A changed configuration: what is the same goes on, no event is lost or doubled, a wrong one is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from logflume.agent import Agent, EventBatch, Plan, Sink
from logflume.agent.changes import kept
from logflume.agent.reading import plan_of
from logflume.agent.watching import ConfigWatch
from logflume.errors import InvalidConfig, StorageError


class Broken(Sink):
    """Does not open."""

    def open(self) -> None:
        raise StorageError(path="nowhere", reason="is not there")

    def write(self, batch: EventBatch) -> None:
        """Never called."""


def tail_to_files(where: Path, channel: str = "file", **changes: str) -> dict[str, str]:
    given = {
        "a.sources": "r",
        "a.channels": "c",
        "a.sinks": "k",
        "a.sources.r.type": "taildir",
        "a.sources.r.filegroups": "f",
        "a.sources.r.filegroups.f": f"{where}/in/.*\\.log",
        "a.sources.r.positionFile": f"{where}/positions.json",
        "a.sources.r.channels": "c",
        "a.channels.c.type": channel,
        "a.channels.c.capacity": "100000",
        "a.channels.c.transactionCapacity": "1000",
        "a.sinks.k.type": "file_roll",
        "a.sinks.k.channel": "c",
        "a.sinks.k.sink.directory": f"{where}/out",
    }
    if channel == "file":
        given["a.channels.c.dataDirs"] = f"{where}/channel"
    given |= {f"a.{name.replace('__', '.')}": value for name, value in changes.items()}
    return given


def delivered(where: Path) -> Counter[bytes]:
    return Counter(
        line for p in (where / "out*").parent.glob("out*/*") for line in p.read_bytes().splitlines()
    )


@pytest.mark.timeout(180)
@pytest.mark.parametrize("channel", ["file", "memory"])
def test_under_load_nothing_is_lost_or_doubled(tmp_path: Path, channel: str) -> None:
    (tmp_path / "in").mkdir()
    feeding, sent = threading.Event(), [0]

    def feed() -> None:
        with (tmp_path / "in" / "a.log").open("ab", buffering=0) as file:
            while not feeding.wait(0.002):
                file.write(b"".join(b"%d\n" % n for n in range(sent[0], sent[0] + 500)))
                sent[0] += 500

    # Each of the parts, and the wiring.
    plans = [
        tail_to_files(tmp_path, channel, sinks__k__sink__rollCount="5000"),
        tail_to_files(tmp_path, channel, sources__r__batchSize="50"),
        tail_to_files(tmp_path, channel, channels__c__capacity="50000"),
        tail_to_files(
            tmp_path,
            channel,
            sinks="k l",
            sinks__l__type="file_roll",
            sinks__l__channel="c",
            sinks__l__sink__directory=f"{tmp_path}/out2",
        ),
        tail_to_files(tmp_path, channel, sources__r__byteOffsetHeader="true"),
    ]
    feeder = threading.Thread(target=feed)
    with Agent(plan_of(plans[0], "a")) as agent:
        feeder.start()
        for given in [*plans[1:], plans[0]]:
            time.sleep(0.2)
            agent.reload(plan_of(given, "a"))
        time.sleep(0.2)
        feeding.set()
        feeder.join()
        end = time.monotonic() + 60
        while sum(delivered(tmp_path).values()) < sent[0] and time.monotonic() < end:
            time.sleep(0.05)
    assert sent[0] > 1000
    assert delivered(tmp_path) == Counter(b"%d" % n for n in range(sent[0]))


def test_what_is_the_same_goes_on_running(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with Agent(plan_of(tail_to_files(tmp_path), "a")) as agent:
        source, channel, sink = agent.sources["r"], agent.channels["c"], agent.sinks["k"]
        keep = agent.reload(plan_of(tail_to_files(tmp_path), "a"))
        assert (keep.sources, keep.channels, keep.groups) == ({"r"}, {"c"}, {"k"})
        keep = agent.reload(plan_of(tail_to_files(tmp_path, sinks__k__sink__batchSize="7"), "a"))
        assert (keep.sources, keep.channels, keep.groups) == ({"r"}, {"c"}, set())
        assert agent.sources["r"] is source
        assert agent.channels["c"] is channel
        assert agent.sinks["k"] is not sink
        assert not agent.wait(0)


def test_a_wrong_configuration_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with Agent(plan_of(tail_to_files(tmp_path), "a")) as agent:
        sink = agent.sinks["k"]
        with pytest.raises(InvalidConfig):
            agent.reload(plan_of(tail_to_files(tmp_path, sinks__k__type="file_rol"), "a"))
        assert agent.sinks["k"] is sink
        assert agent.counters()[0].stopped_ms == 0


def test_a_part_that_does_not_open_brings_the_old_flow_back(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    broken = tail_to_files(tmp_path)
    broken["a.sinks.k.type"] = f"{__name__}:Broken"
    broken = {n: v for n, v in broken.items() if n != "a.sinks.k.sink.directory"}
    with Agent(plan_of(tail_to_files(tmp_path), "a")) as agent:
        with pytest.raises(StorageError):
            agent.reload(plan_of(broken, "a"))
        (tmp_path / "in" / "a.log").write_bytes(b"still there\n")
        end = time.monotonic() + 60
        while not delivered(tmp_path) and time.monotonic() < end:
            time.sleep(0.02)
    assert delivered(tmp_path) == {b"still there": 1}


def test_wiring_decides_what_is_kept(tmp_path: Path) -> None:
    def plan(**changes: str) -> Plan:
        return plan_of(tail_to_files(tmp_path, **changes), "a")

    more = {"sinks": "k l", "sinks__l__type": "null", "sinks__l__channel": "c"}
    assert kept(plan(), plan(**more)).channels == set()  # its partitions are shared anew
    assert kept(plan(), plan(channels__c__capacity="5000")) == (set(), set(), set())
    assert (
        kept(
            plan(), plan(sources__r__interceptors="i", sources__r__interceptors__i__type="host")
        ).sources
        == set()
    )
    both = {"channels": "c d", "channels__d__type": "memory"}
    assert kept(plan(), plan(**both)) == ({"c"}, {"k"}, {"r"})


def test_a_change_counts_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "conf"
    path.write_text("one")
    watch = ConfigWatch([str(path)])
    assert not watch.changed()
    path.write_text("two two")
    assert not watch.changed()  # it may still be written to
    assert watch.changed()
    assert not watch.changed()


@pytest.mark.timeout(120)
def test_the_command_loads_a_changed_file(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    conf = tmp_path / "flume.properties"

    def write(given: dict[str, str]) -> None:
        text = "".join(f"{name} = {value}\n" for name, value in given.items())
        (tmp_path / "new").write_text(text.replace("\\", "\\\\"))
        os.rename(tmp_path / "new", conf)

    write(tail_to_files(tmp_path))
    words = [sys.executable, "-m", "logflume", "agent", "run", "--conf", str(conf), "--name", "a"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as agent:
        assert agent.stderr is not None
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.extend(agent.stderr))  # type: ignore[arg-type]
        reader.start()

        def until(word: str) -> None:
            end = time.monotonic() + 60
            while not any(word in line for line in said):
                assert time.monotonic() < end, said
                time.sleep(0.02)

        try:
            until("agent_started")
            write(tail_to_files(tmp_path, sinks__k__type="nonsense"))
            until("errors: not loaded")
            write(tail_to_files(tmp_path, sinks__k__sink__directory=f"{tmp_path}/out2"))
            until("agent_reloaded")
        finally:
            agent.send_signal(signal.SIGTERM)
            reader.join(60)
    assert agent.returncode == 0
    assert (tmp_path / "out2").is_dir()
