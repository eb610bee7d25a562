"""Selectors share out batches; processors choose sinks."""

from __future__ import annotations

import pytest

from logflume.agent import registry
from logflume.agent.components import Context, Sink
from logflume.agent.events import EventBatch
from logflume.agent.options import parse_component
from logflume.agent.processors import Processor
from logflume.agent.selectors import Selector
from logflume.agent.stores import Stores
from logflume.errors import InvalidConfig

BATCH = EventBatch.of_rows(
    [({"t": "a"}, b"1"), ({"t": "b"}, b"2"), ({}, b"3"), ({"t": "z"}, b"4"), ({"t": "a"}, b"5")]
)


def selector(name: str, *channels: str, **given: str) -> Selector:
    kind = registry.find("selector", name, "type")
    made: Selector = kind(
        parse_component(kind.Config, {n.replace("__", "."): v for n, v in given.items()}), channels
    )
    return made


def routed(made: Selector, batch: EventBatch = BATCH) -> dict[tuple[str, bool], list[bytes]]:
    return {(r.channel, r.required): r.batch.body_list() for r in made.routes(batch)}


def test_replicating() -> None:
    made = selector("replicating", "c", "d", optional="d")
    assert routed(made) == {
        ("c", True): [b"1", b"2", b"3", b"4", b"5"],
        ("d", False): [b"1", b"2", b"3", b"4", b"5"],
    }


def test_multiplexing() -> None:
    made = selector(
        "multiplexing",
        "c",
        "d",
        "e",
        header="t",
        mapping__a="c",
        mapping__b="c d",
        optional__a="e",
        default="d",
    )
    assert routed(made) == {
        ("c", True): [b"1", b"2", b"5"],
        ("d", True): [b"2", b"3", b"4"],
        ("e", False): [b"1", b"5"],
    }


def test_multiplexing_by_a_header_that_all_share() -> None:
    made = selector("multiplexing", "c", "d", header="t", mapping__a="c")
    assert routed(made, EventBatch([b"1", b"2"], {"t": "a"})) == {("c", True): [b"1", b"2"]}
    assert routed(made, EventBatch([b"1"], {"t": "z"})) == {}


def test_load_balancing_takes_turns() -> None:
    made = selector("load_balancing", "c", "d")
    assert [made.routes(BATCH)[0].channel for _ in range(4)] == ["c", "d", "c", "d"]


class _Probe(Sink):
    def setup(self) -> None:
        self.broken = False
        self.wrote: list[bytes] = []

    def write(self, batch: EventBatch) -> None:
        if self.broken:
            raise OSError(f"{self.name} is down")
        self.wrote += batch.body_list()


def sinks(*names: str) -> list[_Probe]:
    return [_Probe(name, None, Context("a", Stores())) for name in names]


def processor(name: str, members: list[_Probe], clock: list[float], **given: str) -> Processor:
    kind = registry.find("processor", name, "type")
    config = parse_component(kind.Config, {n.replace("__", "."): v for n, v in given.items()})
    made: Processor = kind(config, members, lambda: clock[0])
    return made


def test_failover_comes_back_when_the_penalty_is_over() -> None:
    clock, members = [0.0], sinks("k", "l")
    made = processor(
        "failover", members, clock, priority__k="5", priority__l="1", maxpenalty="4000"
    )
    one = EventBatch([b"1"])
    assert made.write(one).name == "k"
    members[0].broken = True
    assert made.write(one).name == "l"
    members[0].broken = False
    assert made.write(one).name == "l"  # k is left out for a second
    clock[0] = 1.1
    assert made.write(one).name == "k"


def test_failover_with_all_down_raises_and_tries_again() -> None:
    clock, members = [0.0], sinks("k", "l")
    made = processor("failover", members, clock, priority__k="5", priority__l="1")
    members[0].broken = members[1].broken = True
    for _ in range(3):
        with pytest.raises(OSError, match="is down"):
            made.write(EventBatch([b"1"]))
    members[0].broken = False
    assert made.write(EventBatch([b"1"])).name == "k"


def test_failover_wants_different_priorities() -> None:
    with pytest.raises(InvalidConfig, match="k has the same priority"):
        processor("failover", sinks("k", "l"), [0.0], priority__k="1", priority__l="1")
    with pytest.raises(InvalidConfig, match=r"processor\.priority\.l=None"):
        processor("failover", sinks("k", "l"), [0.0], priority__k="1")


def test_load_balance_goes_round_and_passes_over_what_fails() -> None:
    clock, members = [0.0], sinks("k", "l", "m")
    made = processor("load_balance", members, clock, backoff="true")
    one = EventBatch([b"1"])
    assert [made.write(one).name for _ in range(3)] == ["k", "l", "m"]
    members[1].broken = True
    assert [made.write(one).name for _ in range(3)] == ["k", "m", "m"]
    assert members[1].counters["EventWriteFail"] == 1  # once: it was left out then
    clock[0] = 1.1
    members[1].broken = False
    assert {made.write(one).name for _ in range(3)} == {"k", "l", "m"}


def test_a_group_of_several_needs_a_processor() -> None:
    with pytest.raises(InvalidConfig, match="is for one sink, this group has 2"):
        processor("default", sinks("k", "l"), [0.0])
