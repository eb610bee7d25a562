"""Thrift RPC: our sink into our source, and hostile bytes."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logflume.agent.events import EventBatch
from logflume.agent.rpc.thrift_calls import FAILED, OK, ClientSide, ServerSide, read_frame
from logflume.errors import BadMessage, ChannelFull, DeliveryFailed

from .conftest import Make
from .running import send_and_be_cut_off
from .sinking import opened

HEADERS = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4)
ROWS = st.lists(st.tuples(HEADERS, st.binary(max_size=20)), min_size=1, max_size=8)


@pytest.mark.parametrize("compact", [True, False])
@given(rows=ROWS)
@settings(max_examples=50)
def test_a_call_and_its_answer(compact: bool, rows: list[tuple[dict[str, str], bytes]]) -> None:
    client, server = ClientSide("s", compact=compact), ServerSide("c", compact=compact)
    name, batch = server.call(client.call(EventBatch.of_rows(rows)))
    assert name == "appendBatch"
    assert list(zip(batch.rows(), batch.body_list(), strict=True)) == rows
    client.check(server.answer(OK))
    with pytest.raises(DeliveryFailed, match="FAILED"):
        client.check(server.answer(FAILED))
    with pytest.raises(DeliveryFailed, match="no room"):
        client.check(server.refusal("no room"))


@pytest.mark.parametrize("compact", [True, False])
@given(data=st.binary(max_size=120), cut=st.integers(0, 40))
@settings(max_examples=200)
def test_any_message_is_a_call_or_refused(compact: bool, data: bytes, cut: int) -> None:
    known = ClientSide("s", compact=compact).call(EventBatch([b"x"], {"a": "b"}))
    for message in (data, known[:cut], known[:cut] + data):
        try:
            ServerSide("c", compact=compact).call(message)
        except BadMessage:
            pass
        try:
            ClientSide("s", compact=compact).check(message)
        except (BadMessage, DeliveryFailed):
            pass


@pytest.mark.parametrize("size", [0, -1, 1001, 0x7FFFFFFF])
def test_frames_have_a_bound(size: int) -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(struct.pack(">i", size))
        with pytest.raises(BadMessage, match="1000 are allowed"):
            read_frame(right, "peer", 1000)


def test_a_frame_cut_off() -> None:
    left, right = socket.socketpair()
    with right:
        with left:
            left.sendall(struct.pack(">i", 10) + b"abc")
        with pytest.raises(BadMessage, match="cut off"):
            read_frame(right, "peer", 1000)
        assert read_frame(right, "peer", 1000) is None


@pytest.mark.parametrize("protocol", ["compact", "binary"])
def test_sink_to_source(flow: Make, protocol: str) -> None:
    one = flow("thrift", bind="127.0.0.1", port="0", protocol=protocol).start()
    rows = [({"n": str(n)}, b"%d" % n) for n in range(3000)]
    port = str(one.source.port)  # type: ignore[attr-defined]
    with opened("thrift", hostname="127.0.0.1", port=port, protocol=protocol) as sink:
        for at in range(0, 3000, 1000):
            sink.write(EventBatch.of_rows(rows[at : at + 1000]))
        one.refuse = ChannelFull(channel="c", capacity=1)
        with pytest.raises(DeliveryFailed, match="FAILED"):
            sink.write(EventBatch([b"x"]))
        one.refuse = None
    assert one.events == rows


def test_another_protocol_is_cut_off(flow: Make) -> None:
    one = flow("thrift", bind="127.0.0.1", port="0").start()
    port = one.source.port  # type: ignore[attr-defined]
    asked = {"hostname": "127.0.0.1", "port": str(port)}
    with (
        opened("thrift", **asked, protocol="binary") as sink,
        pytest.raises((BadMessage, DeliveryFailed)),
    ):
        sink.write(EventBatch([b"x"]))
    with socket.create_connection(("127.0.0.1", port), 60) as stranger:
        send_and_be_cut_off(stranger, b"GET / HTTP/1.1\r\n\r\n")
    with opened("thrift", **asked) as sink:
        sink.write(EventBatch([b"y"]))
    assert one.bodies == [b"y"]
    assert one.source.counters["EventReadFail"] == 2
