"""Commands by the clock."""

from __future__ import annotations

import datetime
import itertools
import time

import pytest

from logflume.agent.options import parse_component
from logflume.agent.sources.scheduled import ScheduledConfig
from logflume.errors import InvalidConfig

from .conftest import Make


def test_an_interval(flow: Make) -> None:
    one = flow("scheduled", command="printf 'a\\nb\\n'", interval="100", atStart="true").start()
    assert one.until(6)[:6] == [b"a", b"b"] * 3
    one.stop()
    times = [int(headers["scheduled"]) for headers, _ in one.events[2::2]]
    assert all(later - before >= 100 for before, later in itertools.pairwise(times))


def test_the_output_as_one_event(flow: Make) -> None:
    one = flow("scheduled", command="printf 'a\\nb\\n'", interval="50", events="output").start()
    assert one.until(1)[0] == b"a\nb\n"


def test_a_run_that_takes_too_long_is_ended(flow: Make) -> None:
    one = flow(
        "scheduled",
        command="echo a; sleep 60",
        shell="/bin/sh -c",
        interval="60000",
        atStart="true",
        timeout="300",
    )
    start = time.monotonic()
    one.start()
    assert one.until(1) == [b"a"]
    while not one.source.counters["GenericProcessingFail"] and time.monotonic() < start + 20:
        time.sleep(0.02)
    assert one.source.counters["GenericProcessingFail"] == 1  # ended by a signal


def test_a_slow_run_leaves_others_out(flow: Make) -> None:
    one = flow("scheduled", command="/bin/sleep 0.3; echo a", shell="/bin/sh -c", interval="100")
    one.start()
    one.until(3)
    one.stop()
    times = [int(headers["scheduled"]) for headers, _ in one.events]
    assert all(later - before >= 200 for before, later in itertools.pairwise(times))


def test_cron(flow: Make) -> None:
    one = flow("scheduled", command="echo a", cron="* * * * * *").start()
    one.until(2)
    one.stop()
    times = [int(headers["scheduled"]) for headers, _ in one.events[:2]]
    assert [at % 1000 for at in times] == [0, 0]
    assert times[1] > times[0]


def test_times_of_cron(flow: Make) -> None:
    one = flow("scheduled", command="true", cron="30 4 * * *")
    now = datetime.datetime(2026, 1, 2, 5, 0).astimezone()
    due = datetime.datetime.fromtimestamp(one.source._next(now.timestamp())).astimezone()  # type: ignore[attr-defined]
    assert (due.day, due.hour, due.minute) == (3, 4, 30)


@pytest.mark.parametrize(
    "given", [{}, {"interval": "1s", "cron": "* * * * *"}, {"cron": "61 * * * *"}, {"cron": "x"}]
)
def test_what_cannot_be(given: dict[str, str]) -> None:
    with pytest.raises(InvalidConfig):
        parse_component(ScheduledConfig, {"command": "true", **given})
