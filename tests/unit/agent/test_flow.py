"""Whole agents: every event arrives, whatever fails on the way."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from logflume.agent import Agent, EventBatch, Sink, interceptor
from logflume.agent.monitor import monitor_agent, prometheus
from logflume.agent.reading import plan_of
from logflume.errors import DirectoryLocked, InvalidConfig


class Collect(Sink):
    """A sink of a user's: named in the configuration, keeps what it got; can be made to fail."""

    got: list[bytes]
    rows: list[dict[str, str]]
    failures = 0

    def setup(self) -> None:
        self.got, self.rows = [], []

    def write(self, batch: EventBatch) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("down")
        self.got += batch.body_list()
        self.rows += batch.rows()


def shout(batch: EventBatch) -> EventBatch:
    """An interceptor of a user's."""
    return batch.with_bodies([body.upper() for body in batch.body_list()])


Start = Callable[..., Agent]


@pytest.fixture
def start() -> Iterator[Start]:
    made: list[Agent] = []

    def begin(channel: Mapping[str, str], changes: Mapping[str, str] | None = None) -> Agent:
        given = {
            "a.sources": "r",
            "a.channels": "c",
            "a.sinks": "k",
            "a.sources.r.type": "seq",
            "a.sources.r.totalEvents": "1000",
            "a.sources.r.batchSize": "10",
            "a.sources.r.channels": "c",
            "a.sinks.k.type": f"{__name__}:Collect",
            "a.sinks.k.channel": "c",
            **{f"a.channels.c.{name}": value for name, value in channel.items()},
            **(changes or {}),
        }
        plan = plan_of(given, "a")
        assert plan.errors == []
        agent = Agent(plan)
        made.append(agent)
        agent.start()
        return agent

    yield begin
    for agent in made:
        agent.stop()


@pytest.fixture(params=["memory", "file"])
def channel(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    if request.param == "memory":
        return {"type": "memory"}
    return {"type": "file", "dataDirs": str(tmp_path / "channel")}


def until(done: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.01)
    assert done()


def sink_of(agent: Agent, name: str = "k") -> Any:
    return agent.sinks[name]


EXPECTED = [b"%d" % number for number in range(1000)]


def test_all_events_in_order(start: Start, channel: dict[str, str]) -> None:
    agent = start(channel)
    until(lambda: len(sink_of(agent).got) >= 1000)
    assert sink_of(agent).got == EXPECTED
    counts = {one.kind: one for one in agent.counters()}
    until(lambda: counts["CHANNEL"]["EventTakeSuccessCount"] == 1000)
    # A sink may have an event before its put is on disk, and counts.
    until(lambda: counts["SOURCE"]["EventAcceptedCount"] == 1000)
    assert counts["SINK"]["EventDrainSuccessCount"] == 1000
    assert counts["CHANNEL"]["ChannelSize"] == 0


def test_a_sink_that_fails_gets_them_again(start: Start, channel: dict[str, str]) -> None:
    agent = start(channel, {"a.sources.r.totalEvents": "50"})
    sink_of(agent).failures = 1
    until(lambda: len(sink_of(agent).got) >= 50)
    assert sink_of(agent).got == EXPECTED[:50]


def test_headers_pass(start: Start, channel: dict[str, str]) -> None:
    agent = start(
        channel,
        {
            "a.sources.r.interceptors": "i j",
            "a.sources.r.interceptors.i.type": "static",
            "a.sources.r.interceptors.i.key": "é",
            "a.sources.r.interceptors.i.value": "ü",
            "a.sources.r.interceptors.j.type": f"{__name__}:shout",
            "a.sources.r.totalEvents": "20",
        },
    )
    until(lambda: len(sink_of(agent).got) >= 20)
    assert sink_of(agent).rows == [{"é": "ü"}] * 20


def test_a_clean_stop_empties_memory_channels(start: Start) -> None:
    agent = start({"type": "memory", "capacity": "5000"})
    agent.wait(60)
    agent.stop()
    assert sink_of(agent).got == EXPECTED


def test_back_pressure(start: Start, channel: dict[str, str]) -> None:
    small = {**channel, "capacity": "20", "transactionCapacity": "10", "keep-alive": "0"}
    agent = start(small, {"a.sinks.k.batchSize": "10"})
    until(lambda: len(sink_of(agent).got) >= 1000)
    assert sink_of(agent).got == EXPECTED


def test_two_sinks_share_a_channel(start: Start, channel: dict[str, str]) -> None:
    agent = start(
        channel,
        {"a.sinks": "k l", "a.sinks.l.type": f"{__name__}:Collect", "a.sinks.l.channel": "c"},
    )
    until(lambda: len(sink_of(agent).got) + len(sink_of(agent, "l").got) >= 1000)
    assert sorted(sink_of(agent).got + sink_of(agent, "l").got) == sorted(EXPECTED)


def test_failover(start: Start, channel: dict[str, str]) -> None:
    agent = start(
        channel,
        {
            "a.sinks": "k l",
            "a.sinks.l.type": f"{__name__}:Collect",
            "a.sinks.l.channel": "c",
            "a.sinkgroups": "g",
            "a.sinkgroups.g.sinks": "k l",
            "a.sinkgroups.g.processor.type": "failover",
            "a.sinkgroups.g.processor.priority.k": "2",
            "a.sinkgroups.g.processor.priority.l": "1",
            "a.sources.r.totalEvents": "100",
        },
    )
    sink_of(agent).failures = 1
    until(lambda: len(sink_of(agent).got) + len(sink_of(agent, "l").got) >= 100)
    assert sorted(sink_of(agent).got + sink_of(agent, "l").got) == sorted(EXPECTED[:100])


def test_a_file_channel_outlives_the_agent(start: Start, tmp_path: Path) -> None:
    channel = {"type": "file", "dataDirs": str(tmp_path / "channel")}
    first = start(channel, {"a.sinks": ""})
    assert first.wait(60)
    first.stop()
    second = start(channel, {"a.sources.r.totalEvents": "1005"})
    until(lambda: len(sink_of(second).got) >= 1005)
    assert sink_of(second).got == [*EXPECTED, b"1000", b"1001", b"1002", b"1003", b"1004"]


def test_one_agent_a_file_channel(start: Start, tmp_path: Path) -> None:
    channel = {"type": "file", "dataDirs": str(tmp_path / "channel")}
    start(channel)
    with pytest.raises(DirectoryLocked, match="another agent has the channel c"):
        start(channel)


def test_two_file_channels_in_one_log_get_a_batch_together(start: Start, tmp_path: Path) -> None:
    where = str(tmp_path / "channel")
    agent = start(
        {"type": "file", "dataDirs": where},
        {
            "a.channels": "c d",
            "a.channels.d.type": "file",
            "a.channels.d.dataDirs": where,
            "a.sources.r.channels": "c d",
            "a.sinks": "k l",
            "a.sinks.l.type": f"{__name__}:Collect",
            "a.sinks.l.channel": "d",
        },
    )
    until(lambda: len(sink_of(agent).got) >= 1000 and len(sink_of(agent, "l").got) >= 1000)
    assert sink_of(agent).got == sink_of(agent, "l").got == EXPECTED


def test_an_optional_channel_that_is_full_holds_nothing_up(start: Start) -> None:
    agent = start(
        {"type": "memory"},
        {
            "a.channels": "c d",
            "a.channels.d.type": "memory",
            "a.channels.d.capacity": "10",
            "a.channels.d.transactionCapacity": "10",
            "a.channels.d.keep-alive": "0",
            "a.sources.r.channels": "c d",
            "a.sources.r.selector.type": "replicating",
            "a.sources.r.selector.optional": "d",
        },
    )
    until(lambda: len(sink_of(agent).got) >= 1000)
    assert sink_of(agent).got == EXPECTED


def test_a_plan_with_errors_does_not_start() -> None:
    with pytest.raises(InvalidConfig, match=r"a\.sources\.r\.type"):
        Agent(
            plan_of(
                {
                    "a.sources": "r",
                    "a.channels": "c",
                    "a.channels.c.type": "memory",
                    "a.sources.r.channels": "c",
                },
                "a",
            )
        )


def test_counters_are_shown(start: Start) -> None:
    agent = start({"type": "memory"})
    until(lambda: len(sink_of(agent).got) >= 1000)
    counts = {one.kind: one for one in agent.counters()}
    until(lambda: counts["SOURCE"]["EventAcceptedCount"] == 1000)
    monitor = monitor_agent(agent.counters, 0)
    try:
        base = f"http://127.0.0.1:{monitor.port}"
        with urllib.request.urlopen(f"{base}/metrics", timeout=60) as answer:
            shown = json.load(answer)
        assert shown["SOURCE.r"]["EventAcceptedCount"] == "1000"
        assert shown["CHANNEL.c"]["Type"] == "CHANNEL"
        assert set(shown) == {"SOURCE.r", "CHANNEL.c", "SINK.k"}
        with urllib.request.urlopen(f"{base}/healthz", timeout=60) as answer:
            assert answer.read() == b"ok\n"
    finally:
        monitor.close()
    assert 'logflume_agent_event_accepted_total{component="r",kind="source"} 1000' in prometheus(
        agent.counters()
    )


def test_registered_names_are_known() -> None:
    @interceptor("of-a-test")
    class OfATest:
        """Registered by its decorator."""

    from logflume.agent import registry

    assert registry.find("interceptor", "OF-A-TEST", "type") is OfATest
