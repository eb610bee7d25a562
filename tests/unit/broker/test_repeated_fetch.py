"""A consumer that waits asks for the same again and again; the broker does not look at everything anew each time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.broker.api_keys import ApiKey
from logflume.broker.deadlines import Deadlines
from support.wire import Wire

SESSION_EPOCH_ERROR = 71


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logflume.Log]:
    with logflume.open(tmp_path / "data") as log:
        log.create_topic("t", partitions=2)
        yield log


@pytest.fixture
def wire(log: logflume.Log) -> Iterator[Wire]:
    with logflume.serve(log) as broker, Wire(broker.bootstrap) as wire:
        yield wire


def asked(
    offset: int, *, wait_ms: int = 20, session: tuple[int, int] = (0, -1), name: str = "t"
) -> dict[str, Any]:
    partitions = [
        {
            "partition": number,
            "current_leader_epoch": -1,
            "fetch_offset": offset,
            "log_start_offset": -1,
            "partition_max_bytes": 1000,
        }
        for number in (0, 1)
    ]
    return {
        "replica_id": -1,
        "max_wait": wait_ms,
        "min_bytes": 1,
        "max_bytes": 1000,
        "isolation_level": 0,
        "session_id": session[0],
        "session_epoch": session[1],
        "topics": [{"topic": name, "partitions": partitions}] if name else [],
        "forgotten_topics_data": [],
        "rack_id": "",
    }


def fetch(wire: Wire, **fields: Any) -> list[tuple[int, int, int]]:
    """(error, end, bytes) of each partition that the answer names."""
    answer = wire.ask(ApiKey.FETCH, 11, **fields)
    assert answer.error_code == 0
    return [
        (one.error_code, one.high_watermark, len(one.records or b""))
        for topic in answer.responses
        for one in topic.partitions
    ]


def test_a_request_that_repeats_the_last_is_answered_by_what_there_is_now(
    log: logflume.Log, wire: Wire
) -> None:
    assert fetch(wire, **asked(0)) == [(0, 0, 0)] * 2
    assert fetch(wire, **asked(0)) == [(0, 0, 0)] * 2
    log.partition("t", 1).append(b"x")
    for _ in range(3):
        first, second = fetch(wire, **asked(0))
        assert first == (0, 0, 0)
        assert second[:2] == (0, 1)
        assert second[2] > 60
    assert fetch(wire, **asked(1, wait_ms=0))[1] == (0, 1, 0)
    log.partition("t", 0).append(b"y")
    (first, second), (third, _) = fetch(wire, **asked(1)), fetch(wire, **asked(0))
    assert (first, second) == ((0, 1, 0), (0, 1, 0))
    assert third[2] > 60


def test_news_ends_the_wait_of_a_repeated_request(log: logflume.Log, wire: Wire) -> None:
    for _ in range(3):
        assert fetch(wire, **asked(0)) == [(0, 0, 0)] * 2
    long = asked(0, wait_ms=120_000)
    number = wire.send(ApiKey.FETCH, 11, long)
    log.partition("t", 0).append(b"x")
    answer = wire.receive(ApiKey.FETCH, 11, number)
    assert answer.responses[0].partitions[0].high_watermark == 1
    # Repeated, it has something to answer with at once.
    again = wire.ask(ApiKey.FETCH, 11, **long)
    assert len(again.responses[0].partitions[0].records) > 60


def test_a_topic_deleted_between_two_equal_requests_is_told(log: logflume.Log, wire: Wire) -> None:
    assert fetch(wire, **asked(0)) == [(0, 0, 0)] * 2
    log.delete_topic("t")
    assert {error for error, _, _ in fetch(wire, **asked(0))} == {3}
    log.create_topic("t", partitions=2)
    log.partition("t", 0).append(b"another topic's")
    assert [error for error, _, _ in fetch(wire, **asked(0))] == [0, 0]
    assert fetch(wire, **asked(0))[0][1] == 1


def test_a_session_goes_on_through_requests_that_differ_in_nothing_but_their_epoch(
    log: logflume.Log, wire: Wire
) -> None:
    begun = wire.ask(ApiKey.FETCH, 11, **asked(0, session=(0, 0)))
    session = begun.session_id
    assert session != 0
    for epoch in range(1, 6):
        assert fetch(wire, **asked(0, session=(session, epoch), name="")) == []
    log.partition("t", 1).append(b"x")
    ((error, end, size),) = fetch(wire, **asked(0, session=(session, 6), name=""))
    assert (error, end) == (0, 1)
    assert size > 60
    # The client goes on behind it; then nothing changes again.
    assert fetch(wire, **asked(1, session=(session, 7)))[0][0] == 1  # partition 0 is empty
    log.partition("t", 0).append(b"y")
    assert fetch(wire, **asked(1, session=(session, 8), name="")) != []
    for epoch in range(9, 12):
        assert fetch(wire, **asked(1, session=(session, epoch), name="")) == []
    late = wire.ask(ApiKey.FETCH, 11, **asked(1, session=(session, 11), name=""))
    assert late.error_code == SESSION_EPOCH_ERROR
    assert fetch(wire, **asked(1, session=(session, 12), name="")) == []


def test_a_client_that_leaves_while_it_waits_again_leaves_nothing_behind(
    log: logflume.Log,
) -> None:
    with logflume.serve(log) as served:
        with Wire(served.bootstrap) as wire:
            for _ in range(2):
                assert fetch(wire, **asked(0)) == [(0, 0, 0)] * 2
            wire.send(ApiKey.FETCH, 11, asked(0, wait_ms=120_000))
        with Wire(served.bootstrap) as other:
            log.partition("t", 0).append(b"x")
            assert fetch(other, **asked(0))[0][1] == 1


def test_a_consumer_between_two_fetches_is_not_forgotten_nor_kept(log: logflume.Log) -> None:
    """It goes on listening, for it is likely to ask for the same; until it asks for something else, or goes."""
    with logflume.serve(log) as served:
        news = served.broker.news
        with Wire(served.bootstrap) as wire:
            for _ in range(2):
                assert fetch(wire, **asked(0)) == [(0, 0, 0)] * 2
            assert news.partitions == 2
            # Told between two fetches; the next one waits for more than what came, and is told of that, too.
            log.partition("t", 0).append(b"x")
            hungry = {**asked(0, wait_ms=120_000), "min_bytes": 150}
            number = wire.send(ApiKey.FETCH, 11, hungry)
            log.partition("t", 1).append(b"y" * 100)
            answer = wire.receive(ApiKey.FETCH, 11, number)
            assert [p.high_watermark for p in answer.responses[0].partitions] == [1, 1]
            assert news.partitions == 0
            assert fetch(wire, **asked(1)) == [(0, 1, 0)] * 2
            assert news.partitions == 2
            assert fetch(wire, **asked(1, wait_ms=0)) == [(0, 1, 0)] * 2
            assert news.partitions == 0
            assert fetch(wire, **asked(1)) == [(0, 1, 0)] * 2
        with Wire(served.bootstrap) as other:
            # Until the first one's end is noticed; its thread may be between the two.
            late = time.monotonic() + 60
            while (served.broker.connections > 1 or news.partitions) and time.monotonic() < late:
                other.ask(ApiKey.API_VERSIONS, 0)
            assert (served.broker.connections, news.partitions) == (1, 0)


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time stands still until it is told."""

    now = 12.3456

    def time(self) -> float:
        return self.now


class Who:
    def __init__(self, wait_ms: int, over: list[int]) -> None:
        self.wait_ms = wait_ms
        self.over = over

    def time_over(self) -> None:
        self.over.append(self.wait_ms)


def test_deadlines_end_waits_in_order_and_never_early() -> None:
    over: list[int] = []
    loop = Clock()
    try:
        deadlines = Deadlines(loop)
        for wait_ms in (130, 1, 5, 100, 12, 101, 109):
            deadlines.add(wait_ms, Who(wait_ms, over))
        gone = Who(7, over)
        deadlines.remove(deadlines.add(7, gone), gone)
        seen = []
        for passed_ms in (0, 1.1, 4, 6.1, 13.1, 99, 120, 129, 141):
            loop.now = Clock.now + passed_ms / 1000
            loop.run_until_complete(asyncio.sleep(0))
            loop.run_until_complete(asyncio.sleep(0))
            seen.append(sorted(over))
        assert seen == [
            [],
            [],  # whole milliseconds
            [1],
            [1, 5],
            [1, 5, 12],
            [1, 5, 12],
            [1, 5, 12, 100, 101, 109],
            [1, 5, 12, 100, 101, 109],
            [1, 5, 12, 100, 101, 109, 130],
        ]
    finally:
        loop.close()
