"""Escapes of the HDFS sink's paths, as Flume fills them in."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from logflume.agent.buckets.escapes import Escapes, Rounding
from logflume.agent.events import EventBatch
from logflume.errors import InvalidConfig, InvalidRecord

AT = "1700000074321"  # Tue Nov 14 2023 22:14:34.321 UTC


def filled(text: str, headers: dict[str, str] | None = None, **how: object) -> str:
    escapes = Escapes([("hdfs.path", text)], UTC, **how)  # type: ignore[arg-type]
    rows = [({"timestamp": AT, **(headers or {})}, b"")]
    ((texts, _),) = escapes.split(EventBatch.of_rows(rows))
    return texts[0]


@pytest.mark.parametrize(
    ("escape", "expected"),
    [
        *(("%Y", "2023"), ("%y", "23"), ("%m", "11"), ("%n", "11"), ("%d", "14"), ("%e", "14")),
        *(("%H", "22"), ("%k", "22"), ("%I", "10"), ("%l", "10"), ("%M", "14"), ("%S", "34")),
        *(("%j", "318"), ("%p", "PM"), ("%a", "Tue"), ("%A", "Tuesday"), ("%b", "Nov")),
        *(("%B", "November"), ("%D", "11/14/23"), ("%c", "Tue Nov 14 22:14:34 2023")),
        *(("%z", "+0000"), ("%t", AT), ("%s", "1700000074"), ("100%%", "100%"), ("a b", "a b")),
    ],
)
def test_times(escape: str, expected: str) -> None:
    assert filled(escape) == expected


def test_headers_and_what_is_missing() -> None:
    assert filled("/%{a.b-c}/%{none}/x", {"a.b-c": "1"}) == "/1//x"


def test_the_host() -> None:
    import socket

    assert filled("%[localhost]") == socket.gethostname()
    assert filled("%[IP]") == socket.gethostbyname(socket.gethostname())


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [(10, "minute", "22:10:00"), (7, "second", "22:14:28"), (12, "hour", "12:00:00")],
)
def test_rounding(value: int, unit: str, expected: str) -> None:
    assert filled("%H:%M:%S", rounding=Rounding(value, unit)) == expected


def test_rounding_leaves_the_milliseconds_and_cuts_the_seconds_of_a_stamp() -> None:
    assert filled("%t %s", rounding=Rounding(1, "minute")) == f"{AT} 1700000040"


def test_a_zone() -> None:
    escapes = Escapes([("hdfs.path", "%Y-%m-%d %H %z")], ZoneInfo("Asia/Kolkata"))
    ((texts, _),) = escapes.split(EventBatch([b""], {"timestamp": AT}))
    assert texts == ("2023-11-15 03 +0530",)


def test_the_clock() -> None:
    escapes = Escapes([("p", "%H%M")], UTC, local_time=True, clock=lambda: 1_700_000_074.3)
    ((texts, events),) = escapes.split(EventBatch([b"1", b"2"]))
    assert (texts, len(events)) == (("2214",), 2)


def test_a_batch_is_split_in_its_order() -> None:
    rows = [
        ({"timestamp": str(minute * 60_000), "h": host}, b"%d%s" % (minute, host.encode()))
        for minute, host in [(1, "a"), (2, "a"), (1, "b"), (1, "a"), (2, "a")]
    ]
    escapes = Escapes([("p", "%M"), ("q", "%{h}")], UTC)
    found = [(t, e.body_list()) for t, e in escapes.split(EventBatch.of_rows(rows))]
    assert found == [
        (("01", "a"), [b"1a", b"1a"]),
        (("02", "a"), [b"2a", b"2a"]),
        (("01", "b"), [b"1b"]),
    ]


def test_an_event_without_a_time_is_the_events_fault() -> None:
    escapes = Escapes([("p", "%H")], UTC)
    with pytest.raises(InvalidRecord, match="no header timestamp"):
        list(escapes.split(EventBatch.of_rows([({"timestamp": AT}, b""), ({}, b"")])))
    with pytest.raises(InvalidRecord, match="no number"):
        list(escapes.split(EventBatch([b""], {"timestamp": "noon"})))
    with pytest.raises(InvalidRecord, match="is no time"):
        list(escapes.split(EventBatch([b""], {"timestamp": "9" * 30})))


@pytest.mark.parametrize("text", ["/%x", "/%[elsewhere]"])
def test_what_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfig, match=r"hdfs\.path"):
        Escapes([("hdfs.path", text)])
