"""Syslog in both formats, over TCP and UDP; datagrams; HTTP."""

from __future__ import annotations

import datetime
import json
import socket
import urllib.error
import urllib.request
from typing import Any

import pytest

from logflume.agent.sources.syslog_lines import KEEP_ALL, parse_syslog
from logflume.errors import ChannelFull, InvalidConfig

from .conftest import Flow, Make

NOW = datetime.datetime(2026, 1, 5, 12, 0)


def ms(*when: int) -> str:
    return str(round(datetime.datetime(*when).timestamp() * 1000))  # type: ignore[arg-type]


def test_rfc_3164() -> None:
    headers, body = parse_syslog(b"<34>Jan  3 22:14:15 mymachine su: 'su root' failed", now=NOW)
    assert headers == {
        "Facility": "4",
        "Severity": "2",
        "priority": "34",
        "timestamp": ms(2026, 1, 3, 22, 14, 15),
        "host": "mymachine",
    }
    assert body == b"su: 'su root' failed"


def test_a_date_without_year_is_the_nearest() -> None:
    assert parse_syslog(b"<1>Dec 31 23:59:59 h m", now=NOW)[0]["timestamp"] == ms(
        2025, 12, 31, 23, 59, 59
    )
    assert parse_syslog(b"<1>Jan  6 00:00:00 h m", now=NOW)[0]["timestamp"] == ms(2026, 1, 6)
    late = datetime.datetime(2025, 12, 31, 23, 59)
    assert parse_syslog(b"<1>Jan  1 00:00:30 h m", now=late)[0]["timestamp"] == ms(
        2026, 1, 1, 0, 0, 30
    )


def test_rfc_5424() -> None:
    message = (
        b'<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [x y="1"] text'
    )
    headers, body = parse_syslog(message)
    assert headers == {
        "Facility": "20",
        "Severity": "5",
        "priority": "165",
        "version": "1",
        "timestamp": "1065910455003",
        "host": "mymachine.example.com",
    }
    assert body == b'evntslog - ID47 [x y="1"] text'


def test_rfc_5424_with_nothing_known() -> None:
    headers, body = parse_syslog(b"<13>1 - - app - - - text")
    assert headers == {"Facility": "1", "Severity": "5", "priority": "13", "version": "1"}
    assert body == b"app - - - text"


def test_kept_fields() -> None:
    message = b"<165>1 2003-10-11T22:14:15.003Z host text"
    assert parse_syslog(message, KEEP_ALL)[1] == message
    assert parse_syslog(message, {"hostname"})[1] == b"host text"


@pytest.mark.parametrize("message", [b"no priority", b"<192>x", b"", b"<>x", b"<1234>x"])
def test_what_is_no_message(message: bytes) -> None:
    assert parse_syslog(message) == (
        {"Facility": "0", "Severity": "0", "flume.syslog.status": "Invalid"},
        message,
    )


def test_a_priority_alone() -> None:
    assert parse_syslog(b"<13>just text") == (
        {"Facility": "1", "Severity": "5", "priority": "13"},
        b"just text",
    )


def tcp(one: Flow, data: bytes) -> None:
    source: Any = one.source
    with socket.create_connection(("127.0.0.1", source.ports[0]), timeout=60) as client:
        client.sendall(data)


def test_tcp(flow: Make) -> None:
    one = flow("syslogtcp", host="127.0.0.1", port="0", clientIPHeader="ip").start()
    tcp(one, b"<13>1 - h a\r\n\n<13>1 - h b")
    assert one.until(2) == [b"a", b"b"]
    assert one.events[0][0]["ip"] == "127.0.0.1"


def test_tcp_cuts_long_messages(flow: Make) -> None:
    one = flow("syslogtcp", host="127.0.0.1", port="0", eventSize="10").start()
    tcp(one, b"<13>abcdefghijklmnop\n<13>z\n")
    assert one.until(3) == [b"abcdef", b"ghijklmnop", b"z"]
    assert one.events[0][0]["flume.syslog.status"] == "Incomplete"
    assert one.events[1][0]["flume.syslog.status"] == "Invalid"
    tcp(one, b"<13>" + b"x" * 100_000)
    assert b"".join(one.until(10_004)[3:]) == b"x" * 100_000


def test_several_ports(flow: Make) -> None:
    one = flow("multiport_syslogtcp", host="127.0.0.1", ports="0 0", portHeader="port").start()
    source: Any = one.source
    for port in source.ports:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(b"<13>1 - h m\n")
    one.until(2)
    assert {row["port"] for row, _ in one.events} == {str(port) for port in source.ports}


@pytest.mark.parametrize(
    ("kind", "where", "data", "body"),
    [("syslogudp", "host", b"<13>1 - h m\n", b"m"), ("netcatudp", "bind", b"line\n", b"line")],
)
def test_datagrams(flow: Make, kind: str, where: str, data: bytes, body: bytes) -> None:
    header = "clientIPHeader" if kind == "syslogudp" else "remoteAddressHeader"
    one = flow(kind, **{where: "127.0.0.1", "port": "0", header: "from"}).start()
    source: Any = one.source
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for _ in range(3):
            client.sendto(data, ("127.0.0.1", source.port))
    assert one.until(3) == [body] * 3
    assert one.events[0][0]["from"] == "127.0.0.1"


def test_wrong_properties_are_named(flow: Make) -> None:
    with pytest.raises(InvalidConfig, match="'colour' is none of"):
        flow("syslogtcp", host="127.0.0.1", port="0", keepFields="colour")
    with pytest.raises(InvalidConfig, match="99999 is no port"):
        flow("multiport_syslogtcp", host="127.0.0.1", ports="99999")


def post(one: Flow, data: bytes) -> int:
    source: Any = one.source
    request = urllib.request.Request(f"http://127.0.0.1:{source.port}/", data, {"X-Name": "v"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_http_json(flow: Make) -> None:
    one = flow("http", port="0").start()
    events = [{"headers": {"a": "1"}, "body": "é"}, {"body": "two"}]
    assert post(one, json.dumps(events).encode()) == 200
    assert one.events == [({"a": "1"}, "é".encode()), ({}, b"two")]
    assert one.batches == [2]
    assert post(one, b"[]") == 200


def test_http_takes_numbers_and_truth_values_as_they_are_written(flow: Make) -> None:
    one = flow("http", port="0").start()
    sent = b'[{"headers": {"timestamp": 1434324343, "x": 1.50, "y": true}, "body": 7}, {"headers": null, "body": null}]'
    assert post(one, sent) == 200
    assert one.events == [({"timestamp": "1434324343", "x": "1.50", "y": "true"}, b"7"), ({}, b"")]


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"{}",
        b"[1]",
        b'[{"body": []}]',
        b'[{"headers": {"a": {}}}]',
        b'[{"headers": 1}]',
        b"\xff",
    ],
)
def test_http_refuses_what_it_cannot_read(flow: Make, data: bytes) -> None:
    one = flow("http", port="0").start()
    assert post(one, data) == 400
    assert one.events == []


def test_http_says_when_full(flow: Make) -> None:
    one = flow("http", port="0").start()
    one.refuse = ChannelFull(channel="c", capacity=1)
    assert post(one, b'[{"body": "x"}]') == 503


def test_http_blobs(flow: Make) -> None:
    one = flow(
        "http",
        port="0",
        handler="org.apache.flume.sink.solr.morphline.BlobHandler",
        handler__maxBlobLength="5",
    ).start()
    assert post(one, b"12345") == 200
    assert one.bodies == [b"12345"]
    assert one.events[0][0]["x-name"] == "v"
    assert post(one, b"123456") == 413
