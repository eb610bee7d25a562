"""The syslog sink, read by the syslog sources."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from logflume.agent.events import EventBatch
from logflume.agent.options import parse_component
from logflume.agent.sinks.syslog import SyslogSinkConfig
from logflume.errors import InvalidConfig
from support.tls_files import PASSWORD, Certificates

from .conftest import Make
from .sinking import opened

HEADERS = {"Facility": "4", "Severity": "2", "timestamp": "1700000000123", "host": "a host"}


def test_a_message() -> None:
    with opened(
        "syslog", hostname="h", port="1", appName="app", structuredDataId="d@1", procId="7"
    ) as sink:
        more = {**HEADERS, 'k"]=': 'a"b]c\\'}
        plain, odd = sink.messages(EventBatch.of_rows([(more, b"text"), ({"Facility": "99"}, b"")]))
    assert plain == (
        b'<34>1 2023-11-14T22:13:20.123Z a_host app 7 - [d@1 k___="a\\"b\\]c\\\\"] text'
    )
    assert re.fullmatch(
        rb"<13>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [!-~]+ app 7 - "
        rb'\[d@1 Facility="99"\] |<13>1 .* app 7 - - ',
        odd,
    )


def test_octet_counting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        with opened("syslog", hostname="127.0.0.1", port=port) as sink:
            sink.write(EventBatch([b"one", b"t\nwo"], HEADERS))
        with listening.accept()[0] as connection, connection.makefile("rb") as file:
            found = []
            while digits := file.read(3).strip():
                found.append(file.read(int(digits)))
    assert [message.split(b" - - - - ")[1] for message in found] == [b"one", b"t\nwo"]


@pytest.mark.parametrize("tls", [False, True])
def test_lines_to_the_syslog_source(flow: Make, tmp_path: Path, tls: bool) -> None:
    files = Certificates(tmp_path)
    served = {"ssl": "true", "keystore": str(files.key_store), "keystore-password": PASSWORD}
    one = flow("syslogtcp", host="127.0.0.1", port="0", **(served if tls else {})).start()
    port = str(one.source.ports[0])  # type: ignore[attr-defined]
    asked = {"ssl": "true", "truststore": str(files.ca)} if tls else {}
    with opened("syslog", hostname="localhost", port=port, framing="newline", **asked) as sink:
        sink.write(EventBatch([b"it", b"was\nso"], HEADERS))
        one.until(2)
    assert one.bodies == [b"- - - - it", b"- - - - was so"]
    headers = one.events[0][0]
    assert {name: headers[name] for name in ("Facility", "Severity", "timestamp", "host")} == {
        **HEADERS,
        "host": "a_host",
    }


def test_datagrams(flow: Make) -> None:
    one = flow("syslogudp", host="127.0.0.1", port="0").start()
    port = str(one.source.port)  # type: ignore[attr-defined]
    with opened("syslog", hostname="127.0.0.1", port=port, transport="udp") as sink:
        sink.write(EventBatch([b"it"], HEADERS))
        assert one.until(1) == [b"- - - - it"]


def test_tls_is_for_tcp() -> None:
    given = {"hostname": "h", "port": "1", "transport": "udp", "ssl": "true"}
    with pytest.raises(InvalidConfig, match="is for transport"):
        parse_component(SyslogSinkConfig, given)
