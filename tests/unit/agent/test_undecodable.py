"""Records of Kafka that should be Flume's events and are not."""

from __future__ import annotations

from pathlib import Path

import pytest

import logflume
from logflume.agent import Sink, runners
from logflume.agent.events import EventBatch
from logflume.agent.rpc.avro_events import encode_datums
from logflume.broker import serve

from .running import running, until

KAFKA = "org.apache.flume.{}.kafka.Kafka{}"
SOURCE = f"""
    sources = r
    sources.r.type = {KAFKA.format("source", "Source")}
    sources.r.kafka.topics = t
    sources.r.batchSize = 100
    sources.r.useFlumeEventFormat = true
    sources.r.kafka.consumer.auto.offset.reset = earliest
    sources.r.channels = c
    channels.c.type = memory
    channels.c.capacity = 1000
    """
CHANNEL = f"""
    channels.c.type = {KAFKA.format("channel", "Channel")}
    channels.c.kafka.topic = t
    channels.c.kafka.consumer.auto.offset.reset = earliest
    """


@pytest.mark.parametrize("where", [SOURCE, CHANNEL], ids=["source", "channel"])
def test_records_that_are_no_events_are_put_aside(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a dead-letter topic they hold the rest up, and the error says so; none is lost."""
    monkeypatch.setattr(runners, "_PAUSE_FIRST_S", 0.01)
    monkeypatch.setattr(runners, "_PAUSE_MOST_S", 0.01)
    good = encode_datums(EventBatch.of_rows([({"n": str(n)}, b"%d" % n) for n in range(20)]))
    bad = {3: b"", 7: b"no event", 19: b"\xff" * 9}
    component = "sources.r" if where is SOURCE else "sinks.k"
    with logflume.open(tmp_path / "data") as log, serve(log) as broker:
        log.create_topic("t")
        with log.producer() as producer:
            producer.send_many("t", [bad.get(n, value) for n, value in enumerate(good)])
        flow = f"""{where}
            {"sources.r" if where is SOURCE else "channels.c"}.kafka.bootstrap.servers = {broker.bootstrap}
            channels = c
            sinks = k
            sinks.k.type = {__name__}:Keeps
            sinks.k.channel = c
            """
        with running(flow, warn=True) as agent:
            failed = agent.sources["r"] if where is SOURCE else agent.sinks["k"]
            name = "GenericProcessingFail" if where is SOURCE else "ChannelReadFail"
            until(lambda: failed.counters[name] >= 2)
            assert not agent.sinks["k"].seen  # type: ignore[attr-defined]
        flow += f"""
            {component}.deadLetter.directory = {tmp_path / "dead"}
            {component}.deadLetter.topic = letters
            """
        with running(flow, warn=True) as agent:
            sink = agent.sinks["k"]
            assert isinstance(sink, Keeps)
            until(lambda: len(sink.seen) >= 17)
            assert sorted(map(int, sink.seen)) == [n for n in range(20) if n not in bad]
    with logflume.open(tmp_path / "dead") as log:
        letters = list(log.partition("letters", 0).read_batch(0).records())
    # Perhaps twice: an agent that is stopped before its channel's offsets are committed sees them again.
    told = {dict(one.headers)["offset"]: one.value for one in letters}
    assert told == {b"%d" % n: value for n, value in bad.items()}
    assert {dict(one.headers)["deadletter.error"] for one in letters} == {b"InvalidRecord"}


class Keeps(Sink):
    """Bodies, in memory."""

    def setup(self) -> None:
        self.seen: list[bytes] = []

    def write(self, batch: EventBatch) -> None:
        self.seen += batch.body_list()
