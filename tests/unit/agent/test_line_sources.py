"""netcat, exec, seq, stress."""

from __future__ import annotations

import socket
import time

import pytest

from logflume.agent.sources import NetcatSource
from logflume.errors import ChannelFull, InvalidConfig

from .conftest import Flow, Make


def connected(one: Flow) -> socket.socket:
    assert isinstance(one.source, NetcatSource)
    return socket.create_connection(("127.0.0.1", one.source.port), timeout=60)


def answer(to: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        data = to.recv(size - len(got))
        if not data:
            break
        got += data
    return got


def test_netcat_answers_each_line(flow: Make) -> None:
    one = flow("netcat", bind="127.0.0.1", port="0").start()
    with connected(one) as client:
        client.sendall(b"one\r\ntwo\nthr")
        assert answer(client, 6) == b"OK\nOK\n"
        client.sendall(b"ee\n")
        assert answer(client, 3) == b"OK\n"
    assert one.bodies == [b"one", b"two", b"three"]


def test_netcat_takes_a_last_line_without_its_end(flow: Make) -> None:
    one = flow("netcat", bind="127.0.0.1", port="0", **{"ack-every-event": "false"}).start()
    with connected(one) as client:
        client.sendall(b"one")
    assert one.until(1) == [b"one"]


def test_netcat_refuses_long_lines(flow: Make) -> None:
    one = flow("netcat", bind="127.0.0.1", port="0", **{"max-line-length": "5"}).start()
    with connected(one) as client:
        client.sendall(b"123456789\nok\n")
        assert answer(client, 53) == b"FAILED: Event exceeds the maximum length (5 chars, in"
    assert one.until(1) == [b"ok"]


def test_netcat_says_when_the_channel_is_full(flow: Make) -> None:
    one = flow("netcat", bind="127.0.0.1", port="0").start()
    one.refuse = ChannelFull(channel="c", capacity=1)
    with connected(one) as client:
        client.sendall(b"x\n")
        assert answer(client, 32) == b"FAILED: channel 'c' has no room:"
    one.refuse = None


def test_netcat_encodings(flow: Make) -> None:
    one = flow("netcat", bind="127.0.0.1", port="0", encoding="latin-1").start()
    with connected(one) as client:
        client.sendall("é\n".encode("latin-1"))
        answer(client, 3)
    assert one.bodies == ["é".encode()]


def test_netcat_ends_with_clients_connected(flow: Make) -> None:
    one = flow("netcat", bind="127.0.0.1", port="0").start()
    with connected(one) as client:
        client.sendall(b"x\n")
        answer(client, 3)
        one.stop()
        assert client.recv(1) == b""


def test_exec(flow: Make) -> None:
    one = flow("exec", command="printf 'a\\nb\\nc'", shell="/bin/sh -c", batchSize="2").start()
    assert one.until(3) == [b"a", b"b", b"c"]
    assert one.batches == [2, 1]


def test_exec_hands_on_after_the_timeout(flow: Make) -> None:
    one = flow("exec", command="echo a; sleep 60", shell="/bin/sh -c", batchTimeout="50").start()
    assert one.until(1) == [b"a"]
    start = time.monotonic()
    one.stop()  # ends the command, children included
    assert time.monotonic() - start < 40


def test_exec_restarts(flow: Make) -> None:
    one = flow("exec", command="echo a", restart="true", restartThrottle="10").start()
    assert one.until(3)[:3] == [b"a"] * 3


def test_seq_goes_on_and_ends(flow: Make) -> None:
    one = flow("seq", {"next": "3"}, totalEvents="7", batchSize="3").start()
    assert one.until(4) == [b"3", b"4", b"5", b"6"]
    assert one.stored == {"next": "7"}


@pytest.mark.parametrize("limit", ["maxTotalEvents", "maxSuccessfulEvents"])
def test_stress(flow: Make, limit: str) -> None:
    one = flow("stress", size="3", batchSize="4", **{limit: "10"}).start()
    assert one.until(10) == [b"\x7f\x7f\x7f"] * 10  # Flume's bytes
    assert one.batches == [4, 4, 2]


def test_netcat_answers_in_the_order_of_the_lines(flow: Make) -> None:
    one = flow("netcat", bind="127.0.0.1", port="0", **{"max-line-length": "5"}).start()
    with connected(one) as client:
        client.sendall(b"one\n123456789\ntwo\n")
        client.shutdown(socket.SHUT_WR)
        said = answer(client, 1000).splitlines()
    assert [line[:6] for line in said] == [b"OK", b"FAILED", b"OK"]
    assert one.until(2) == [b"one", b"two"]


def test_a_connection_whose_event_cannot_be_processed_is_ended_and_logged(
    flow: Make, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    one = flow("netcat", bind="127.0.0.1", port="0").start()
    one.refuse = ValueError("day is out of range for month")
    with connected(one) as client:
        client.sendall(b"x\n")
        assert answer(client, 1) == b""
    one.refuse = None
    assert "day is out of range for month" in caplog.text
    assert "Traceback" not in capsys.readouterr().err


def test_exec_cuts_a_command_at_blanks_as_flume_does(flow: Make) -> None:
    one = flow("exec", command='echo "a  b" it\'s c\\d').start()
    assert one.until(1) == [b'"a b" it\'s c\\d']


def test_exec_takes_a_command_of_several_lines(flow: Make) -> None:
    one = flow("exec", command="for i in 1 2\ndo\techo $i\ndone", shell="/bin/sh -c").start()
    assert one.until(2) == [b"1", b"2"]


@pytest.mark.parametrize(
    ("kind", "command", "reason"),
    [("exec", " ", "must not be empty"), ("scheduled", "echo 'a", "No closing quotation")],
)
def test_a_command_that_cannot_be_run_is_named(
    flow: Make, kind: str, command: str, reason: str
) -> None:
    more = {"interval": "1s"} if kind == "scheduled" else {}
    with pytest.raises(InvalidConfig, match=reason):
        flow(kind, command=command, **more)
