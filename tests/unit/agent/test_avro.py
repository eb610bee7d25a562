"""Avro RPC: our sink into our source, and whatever else may come by a socket."""

from __future__ import annotations

import io
import socket
import struct
import zlib

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logflume._native.avro_events import decode_events
from logflume.agent.events import EventBatch
from logflume.agent.rpc.avro_calls import FAILED, OK, ClientSide, ServerSide
from logflume.agent.rpc.avro_events import (
    EVENT_SCHEMA,
    decode_array,
    decode_datum,
    encode_array,
    encode_datums,
)
from logflume.agent.rpc.avro_frames import Frames
from logflume.agent.sources import AvroSource
from logflume.agent.sources.ip_rules import IpRules
from logflume.errors import BadMessage, ChannelFull, DeliveryFailed, InvalidConfig, InvalidRecord

from .conftest import Flow, Make
from .running import send_and_be_cut_off
from .sinking import opened

ARRAY = fastavro.parse_schema({"type": "array", "items": EVENT_SCHEMA})
HEADERS = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4)
ROWS = st.lists(st.tuples(HEADERS, st.binary(max_size=20)), max_size=12)


def by_fastavro(rows: list[tuple[dict[str, str], bytes]]) -> bytes:
    out = io.BytesIO()
    events = [{"headers": headers, "body": body} for headers, body in rows]
    fastavro.schemaless_writer(out, ARRAY, events)
    return out.getvalue()


def rows_of(batch: EventBatch) -> list[tuple[dict[str, str], bytes]]:
    return list(zip(batch.rows(), batch.body_list(), strict=True))


# ---- events


@given(ROWS)
def test_decoding_is_fastavros(rows: list[tuple[dict[str, str], bytes]]) -> None:
    assert rows_of(decode_array(by_fastavro(rows))) == rows


@given(ROWS)
def test_encoding_is_read_by_fastavro(rows: list[tuple[dict[str, str], bytes]]) -> None:
    data = encode_array(EventBatch.of_rows(rows))
    found = fastavro.schemaless_reader(io.BytesIO(data), ARRAY, None)
    assert [(one["headers"], one["body"]) for one in found] == rows  # type: ignore[index,call-overload,union-attr]
    assert [decode_datum(one) for one in encode_datums(EventBatch.of_rows(rows))] == rows


def test_headers_that_all_share_are_common() -> None:
    shared, differing = {"host": "a", "n": "1"}, {"host": "a", "n": "2"}
    batch = decode_array(by_fastavro([(shared, b"x"), (differing, b"y"), ({"host": "a"}, b"z")]))
    assert (dict(batch.common), dict(batch.columns)) == ({"host": "a"}, {"n": ["1", "2", None]})


def test_blocks_with_their_size_are_read() -> None:
    """Avro writes a count as negative and the bytes behind it, so that readers may skip."""
    event = b"\2\2a\2b\0\2x"
    block = b"\1" + bytes((len(event) * 2,)) + event  # -1: one event, then its size
    assert rows_of(decode_array(block + block + b"\0")) == [({"a": "b"}, b"x")] * 2


@given(ROWS.filter(bool), st.data())
def test_what_is_cut_off_or_longer_is_refused(
    rows: list[tuple[dict[str, str], bytes]], data: st.DataObject
) -> None:
    whole = by_fastavro(rows)
    at = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(InvalidRecord, match="cut off or malformed"):
        decode_events(whole[:at])
    with pytest.raises(InvalidRecord, match="behind the list"):
        decode_events(whole + b"\0")


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_any_bytes_are_events_or_refused(data: bytes) -> None:
    try:
        batch = decode_array(data)
    except InvalidRecord:
        return
    assert len(batch.rows()) == len(batch.body_list()) == len(batch)


@pytest.mark.parametrize(
    "claim",
    [
        b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # 2^63 - 1 events
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # -2^63 events
        b"\2\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # as many headers
        b"\2\0\xfe\xff\xff\xff\x0f",  # a body of 2 GiB
        b"\2\0\1",  # a body of -1 bytes
    ],
)
def test_claims_are_not_believed(claim: bytes) -> None:
    with pytest.raises(InvalidRecord):
        decode_events(claim + b"\0" * 8)


def test_headers_that_all_differ_have_a_bound() -> None:
    events = [({str(n): ""}, b"") for n in range(5000)]
    with pytest.raises(InvalidRecord, match="different headers"):
        decode_array(by_fastavro(events))


@given(st.binary(max_size=40))
def test_any_datum_is_an_event_or_refused(data: bytes) -> None:
    try:
        headers, body = decode_datum(data)
    except InvalidRecord:
        return
    assert isinstance(headers, dict)
    assert isinstance(body, bytes)


# ---- frames


class Pipe:
    """Two ends of a connection; what one thread writes is small enough for the kernel to keep."""

    def __init__(self, level: int | None = None, bytes_max: int = 1000) -> None:
        self.left, self.right = socket.socketpair()
        self.left.settimeout(60)
        self.right.settimeout(60)
        self.frames = Frames(self.right, "peer", bytes_max, level)

    def __enter__(self) -> Pipe:
        return self

    def __exit__(self, *_: object) -> None:
        self.left.close()
        self.right.close()


@pytest.mark.parametrize("level", [None, 6])
def test_frames_there_and_back(level: int | None) -> None:
    with Pipe(level) as pipe:
        Frames(pipe.left, "peer", 1000, level).write(7, b"abc")
        assert pipe.frames.read() == (7, b"abc")
        pipe.left.close()
        assert pipe.frames.read() is None


def test_a_message_may_come_in_several_buffers() -> None:
    with Pipe() as pipe:
        pipe.left.sendall(struct.pack(">ii", 1, 3) + b"\0\0\0\1a\0\0\0\0\0\0\0\2bc")
        assert pipe.frames.read() == (1, b"abc")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0\0\0\1", "cut off"),
        (struct.pack(">iii", 1, 1, 10) + b"abc", "cut off"),
        (struct.pack(">ii", 1, 2) + b"\0\0\0\1a", "cut off"),
        (struct.pack(">ii", 1, -1), "-1 buffers"),
        (struct.pack(">ii", 1, 1 << 30), "buffers"),
        (struct.pack(">iii", 1, 1, -5), "bytes"),
        (struct.pack(">iii", 1, 1, 1001), "1001 bytes or more; 1000 are allowed"),
    ],
)
def test_bad_frames(data: bytes, reason: str) -> None:
    with Pipe() as pipe:
        pipe.left.sendall(data)
        pipe.left.shutdown(socket.SHUT_WR)
        with pytest.raises(BadMessage, match=reason):
            pipe.frames.read()


def test_a_zip_bomb_is_cut_at_the_limit() -> None:
    bomb = zlib.compress(struct.pack(">iii", 1, 1, 1 << 30) + bytes(1 << 24))
    with Pipe(6) as pipe:
        pipe.left.sendall(bomb)
        with pytest.raises(BadMessage, match="1000 are allowed"):
            pipe.frames.read()


def test_what_is_not_deflated_is_refused() -> None:
    with Pipe(6) as pipe:
        pipe.left.sendall(struct.pack(">iii", 1, 1, 1) + b"x")
        with pytest.raises(BadMessage, match="no zlib stream"):
            pipe.frames.read()


# ---- calls


def test_a_call_and_its_answer() -> None:
    client, server = ClientSide("server"), ServerSide("client")
    for status in (OK, OK):  # the second without a handshake
        name, batch = server.call(client.call(EventBatch([b"x"], {"a": "b"}))) or ("", None)
        assert name == "appendBatch"
        assert batch is not None
        assert rows_of(batch) == [({"a": "b"}, b"x")]
        client.check(server.answer(status))
    with pytest.raises(DeliveryFailed, match="FAILED"):
        client.check(server.answer(FAILED))
    with pytest.raises(DeliveryFailed, match="no room"):
        client.check(server.refusal("no room"))


def test_another_protocol_is_refused() -> None:
    from logflume.agent.rpc import avro_calls

    for text in ("{}", "[]", "nonsense", '{"messages":{"append":{"request":[],"response":"int"}}}'):
        shake = {
            "clientHash": b"\1" * 16,
            "clientProtocol": text,
            "serverHash": b"\1" * 16,
            "meta": None,
        }
        message = avro_calls._written(avro_calls._REQUEST, shake)
        with pytest.raises(BadMessage, match="its protocol is another"):
            ServerSide("client").call(message)


def test_a_client_that_nobody_knows_is_asked_for_its_protocol() -> None:
    from logflume.agent.rpc import avro_calls

    shake = {
        "clientHash": b"\1" * 16,
        "clientProtocol": None,
        "serverHash": b"\1" * 16,
        "meta": None,
    }
    server = ServerSide("client")
    assert server.call(avro_calls._written(avro_calls._REQUEST, shake)) is None
    asked = fastavro.schemaless_reader(io.BytesIO(server.answer(None)), avro_calls._RESPONSE, None)
    assert asked["match"] == "NONE"  # type: ignore[index,call-overload]
    told = {**shake, "clientProtocol": asked["serverProtocol"]}  # type: ignore[index,call-overload]
    call = avro_calls._APPEND_BATCH + encode_array(EventBatch([b"x"]))
    called = server.call(avro_calls._written(avro_calls._REQUEST, told) + call)
    assert called is not None
    assert called[1].body_list() == [b"x"]


@given(st.binary(max_size=120))
@settings(max_examples=300)
def test_any_message_is_a_call_or_refused(data: bytes) -> None:
    known = ClientSide("s").call(EventBatch([b"x"]))
    for message in (data, known[:-3] + data, known + data):
        try:
            ServerSide("client").call(message)
        except BadMessage:
            pass
        try:
            ClientSide("server").check(message)
        except (BadMessage, DeliveryFailed):
            pass


# ---- the source and the sink


def listening(one: Flow) -> int:
    assert isinstance(one.source, AvroSource)
    return one.source.port


@pytest.mark.parametrize("compression", ["none", "deflate"])
def test_sink_to_source(flow: Make, compression: str) -> None:
    one = flow("avro", bind="127.0.0.1", port="0", **{"compression-type": compression}).start()
    rows = [({"n": str(n), "all": "x"}, b"%d" % n) for n in range(3000)]
    with opened(
        "avro", hostname="127.0.0.1", port=str(listening(one)), compression_type=compression
    ) as sink:
        for at in range(0, 3000, 1000):
            sink.write(EventBatch.of_rows(rows[at : at + 1000]))
        assert sink.counters["ConnectionCreatedCount"] == 1
    assert one.events == rows
    assert one.source.counters["AppendBatchAcceptedCount"] == 3


def test_a_full_channel_fails_the_batch_and_it_comes_again(flow: Make) -> None:
    one = flow("avro", bind="127.0.0.1", port="0").start()
    one.refuse = ChannelFull(channel="c", capacity=1)
    with opened("avro", hostname="127.0.0.1", port=str(listening(one))) as sink:
        with pytest.raises(DeliveryFailed, match="FAILED"):
            sink.write(EventBatch([b"x"]))
        one.refuse = None
        sink.write(EventBatch([b"x"]))
        assert sink.counters["ConnectionCreatedCount"] == 2
    assert one.bodies == [b"x"]


def test_nobody_there_and_nobody_answering() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        with (
            opened("avro", hostname="127.0.0.1", port=port, request_timeout="100") as sink,
            pytest.raises(DeliveryFailed, match="timed out"),
        ):
            sink.write(EventBatch([b"x"]))
    with opened("avro", hostname="127.0.0.1", port=port) as sink:
        with pytest.raises(DeliveryFailed, match="refused"):
            sink.write(EventBatch([b"x"]))
        assert sink.counters["ConnectionFailedCount"] == 1


def test_the_connection_is_made_anew_after_its_interval(flow: Make) -> None:
    one = flow("avro", bind="127.0.0.1", port="0").start()
    with opened(
        "avro", hostname="127.0.0.1", port=str(listening(one)), reset_connection_interval="1"
    ) as sink:
        sink.write(EventBatch([b"x"]))
        sink._since -= 2
        sink.write(EventBatch([b"y"]))
        assert sink.counters["ConnectionCreatedCount"] == 2
    assert one.bodies == [b"x", b"y"]


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 12, b"\xff" * 100])
def test_strangers_are_cut_off_and_others_go_on(flow: Make, data: bytes) -> None:
    one = flow("avro", bind="127.0.0.1", port="0", **{"max-message-bytes": "1024"}).start()
    with socket.create_connection(("127.0.0.1", listening(one)), timeout=60) as stranger:
        send_and_be_cut_off(stranger, data)
    assert one.source.counters["EventReadFail"] == 1
    with opened("avro", hostname="127.0.0.1", port=str(listening(one))) as sink:
        sink.write(EventBatch([b"x"]))
    assert one.bodies == [b"x"]


def test_connections_have_a_bound(flow: Make) -> None:
    one = flow("avro", bind="127.0.0.1", port="0", **{"max-connections": "1"}).start()
    with opened("avro", hostname="127.0.0.1", port=str(listening(one))) as sink:
        sink.write(EventBatch([b"x"]))
        with socket.create_connection(("127.0.0.1", listening(one)), timeout=60) as second:
            assert second.recv(1) == b""


def test_ip_rules(flow: Make) -> None:
    rules = IpRules("allow:ip:10.1.*, deny:ip:10.*")
    assert [rules(address) for address in ("10.1.0.9", "10.2.0.9", "1.1.1.1")] == [
        True,
        False,
        True,
    ]
    for wrong in ("", "allow", "allow:ip:", "permit:ip:*", "deny:host:*"):
        with pytest.raises(InvalidConfig, match="ipFilterRules"):
            IpRules(wrong)
    one = flow("avro", bind="127.0.0.1", port="0", ipFilter="true", ipFilterRules="deny:ip:127.*")
    one.start()
    with socket.create_connection(("127.0.0.1", listening(one)), timeout=60) as refused:
        assert refused.recv(1) == b""
    assert IpRules("deny:name:localhost")("127.0.0.1") is False
