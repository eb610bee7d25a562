"""Events that cannot be processed go to a topic with their cause; the others arrive, once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.agent import Agent, EventBatch, Sink, runners
from logflume.agent.reading import plan_of


class Picky(Sink):
    """Cannot write some numbers; notes what it wrote as a sink that undoes would."""

    written: list[bytes]
    down = 0

    def setup(self) -> None:
        self.written = []

    def write(self, batch: EventBatch) -> None:
        if self.down:
            type(self).down -= 1
            raise OSError("down")
        for body in batch.body_list():
            if int(body) % 100 == 7:
                raise ValueError(f"{body!r} is no good")
            self.written.append(body)  # the ones before it stay, until they are undone

    def note(self) -> str:
        return str(len(self.written))

    def restore(self, note: str | None) -> None:
        if note is not None:
            del self.written[int(note) :]


def no_seven(batch: EventBatch) -> EventBatch:
    """An interceptor that cannot take some numbers."""
    if any(int(body) % 100 == 7 for body in batch.body_list()):
        raise KeyError("seven")
    return batch


def given(where: Path, channel: str, **changes: str) -> dict[str, str]:
    made = {
        "a.sources": "r",
        "a.channels": "c",
        "a.sinks": "k",
        "a.sources.r.type": "seq",
        "a.sources.r.totalEvents": "1000",
        "a.sources.r.batchSize": "100",
        "a.sources.r.channels": "c",
        "a.channels.c.type": channel,
        "a.channels.c.capacity": "10000",
        "a.sinks.k.type": f"{__name__}:Picky",
        "a.sinks.k.channel": "c",
    }
    if channel == "file":
        made["a.channels.c.dataDirs"] = str(where / "channel")
    return made | {f"a.{name.replace('__', '.')}": value for name, value in changes.items()}


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def letters(where: Path) -> list[Any]:
    with logflume.open(where / "dead") as log:
        return list(log.partition("letters", 0).read_batch(0).records())


@pytest.mark.parametrize("channel", ["file", "memory"])
def test_a_sinks_poison(tmp_path: Path, channel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "_PAUSE_FIRST_S", 0.01)
    monkeypatch.setattr(Picky, "down", 2)  # a target that is down is not the events' fault
    config = given(
        tmp_path,
        channel,
        sinks__k__deadLetter__directory=str(tmp_path / "dead"),
        sinks__k__deadLetter__topic="letters",
    )
    with Agent(plan_of(config, "a")) as agent:
        sink = agent.sinks["k"]
        assert isinstance(sink, Picky)
        until(lambda: agent.channels["c"].counters["EventTakeSuccessCount"] >= 1000)
        written = list(sink.written)
    good = [b"%d" % n for n in range(1000) if n % 100 != 7]
    # A memory channel keeps no note: what came before the poison event of a take is written again.
    assert written == good if channel == "file" else set(written) == set(good)
    found = letters(tmp_path)
    assert [one.value for one in found] == [b"%d" % n for n in range(7, 1000, 100)]
    assert dict(found[0].headers) == {
        "deadletter.component": b"k",
        "deadletter.error": b"ValueError",
        "deadletter.cause": b"b'7' is no good",
    }


def test_an_interceptors_poison(tmp_path: Path) -> None:
    config = given(
        tmp_path,
        "file",
        sources__r__interceptors="i",
        sources__r__interceptors__i__type=f"{__name__}:no_seven",
        sources__r__deadLetter__directory=str(tmp_path / "dead"),
        sources__r__deadLetter__topic="letters",
    )
    with Agent(plan_of(config, "a")) as agent:
        sink = agent.sinks["k"]
        assert isinstance(sink, Picky)
        until(lambda: len(sink.written) >= 990)
        assert sink.written == [b"%d" % n for n in range(1000) if n % 100 != 7]
    assert [one.value for one in letters(tmp_path)] == [b"%d" % n for n in range(7, 1000, 100)]


def test_without_a_topic_it_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "_PAUSE_FIRST_S", 0.01)
    with Agent(plan_of(given(tmp_path, "file"), "a")) as agent:
        until(lambda: agent.sinks["k"].counters["EventWriteFail"] >= 3)
        assert agent.wait(60)
        assert agent.channels["c"].counters["ChannelSize"] == 1000


def test_its_properties_are_checked(tmp_path: Path) -> None:
    config = given(tmp_path, "file", sinks__k__deadLetter__topc="x")
    said = [(p.severity, p.property) for p in plan_of(config, "a").problems]
    assert ("error", "a.sinks.k.deadLetter.directory") in said
