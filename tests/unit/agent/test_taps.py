"""Looking at events that pass, and at the components, of a running agent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from logflume.agent import Agent, EventBatch
from logflume.agent.monitor import monitor_agent
from logflume.agent.reading import plan_of
from logflume.agent.taps import Taps
from logflume.cli.entry import main


def test_nothing_is_looked_at_until_somebody_asks() -> None:
    now = [0.0]
    taps = Taps(lambda: now[0])
    assert not taps.watched
    assert taps.newest() == []
    assert taps.watched
    taps.see("source r", EventBatch([b"%d" % n for n in range(100)], {"h": "1"}))
    assert [one["body"] for one in taps.newest()] == ["0", "1", "2", "3", "4"]
    taps.see("source r", EventBatch([b"too soon"]))
    taps.see("sink k", EventBatch([b"\xff" + b"x" * 5000]))
    last = taps.newest()[-1]
    assert (last["number"], last["component"], len(last["body"])) == (6, "sink k", 2000)
    now[0] = 11.0
    taps.see("source r", EventBatch([b"nobody looks any more"]))
    assert not taps.watched
    assert len(taps.newest()) == 6


@pytest.fixture
def address() -> Iterator[str]:
    given = {
        "a.sources": "r",
        "a.channels": "c",
        "a.sinks": "k",
        "a.sources.r.type": "stress",
        "a.sources.r.size": "5",
        "a.sources.r.batchSize": "10",
        "a.sources.r.maxEventsPerSecond": "1000",
        "a.sources.r.interceptors": "i",
        "a.sources.r.interceptors.i.type": "static",
        "a.sources.r.interceptors.i.key": "where",
        "a.sources.r.interceptors.i.value": "here",
        "a.sources.r.channels": "c",
        "a.channels.c.type": "memory",
        "a.sinks.k.type": "null",
        "a.sinks.k.channel": "c",
    }
    with Agent(plan_of(given, "a")) as agent:
        monitor = monitor_agent(agent.counters, 0, taps=agent.taps)
        try:
            yield str(monitor.port)
        finally:
            monitor.close()


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["agent", *words]) in (0, None)
    return capsys.readouterr().out


def test_tap(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "tap", "--metrics", address, "--max", "3", "-c", "k").splitlines()
    assert lines == ["sink k  where=here  " + "�" * 5] * 3
    assert main(["--json", "agent", "tap", "--metrics", address, "--max", "1"]) in (0, None)
    event: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert event["headers"] == {"where": "here"}


def test_top(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "top", address, "--interval", "0.3", "--once")
    assert [line.split()[:2] for line in shown.splitlines()[1:]] == [
        ["source", "r"],
        ["channel", "c"],
        ["sink", "k"],
    ]
    assert main(["--json", "agent", "top", "--metrics", address, "--interval", "0.5"]) in (0, None)
    rows = json.loads(capsys.readouterr().out)["components"]
    assert all(row["running"] and row["errors"] == 0 for row in rows)
    assert all(row["per_second"] > 0 for row in rows if row["kind"] != "channel")


def test_an_agent_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agent", "top", "--metrics", "127.0.0.1:9", "--once"]) == 1
    assert "no agent answers on 127.0.0.1:9" in capsys.readouterr().err
