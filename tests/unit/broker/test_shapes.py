"""Shapes of requests: whatever kio writes fits, and what claims more than is there does not."""

from __future__ import annotations

import random

import pytest
from kio.index import load_request_schema

from logflume._native.frames import Frame, FrameMemory, FrameReader
from logflume.broker.api_keys import ApiKey, is_flexible
from logflume.broker.dispatch import Handler, table
from logflume.broker.messages import MalformedRequest, decode_request
from logflume.broker.shapes import shape_of
from support.any_requests import damage, draw, frame

HANDLERS = sorted(table().values(), key=lambda handler: handler.api_key)


def received(api_key: int, version: int, body: bytes) -> Frame:
    made = FrameReader(FrameMemory(), 1 << 30).feed(frame(api_key, version, body))[0]
    made.open(is_flexible(api_key, version))
    return made


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.api_key.name)
def test_every_request_fits_the_shape_of_its_version(handler: Handler) -> None:
    rng = random.Random(int(handler.api_key))
    for version in range(handler.lowest, handler.highest + 1):
        shape = shape_of(load_request_schema(handler.api_key, version))
        for _ in range(50):
            body = draw(rng, handler.api_key, version)
            assert shape.fits(received(handler.api_key, version, body))
            # librdkafka sends more than its message, and Kafka does not mind.
            assert shape.fits(received(handler.api_key, version, body + b"\1\0\0"))
            if body:
                assert not shape.fits(received(handler.api_key, version, body[:-1]))


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.api_key.name)
def test_damaged_requests_are_decoded_or_malformed(handler: Handler) -> None:
    """kio, left alone with a count of 2**31 - 1, ends the process."""
    rng = random.Random(int(handler.api_key))
    for version in range(handler.lowest, handler.highest + 1):
        for _ in range(100):
            body = damage(rng, draw(rng, handler.api_key, version))
            try:
                decode_request(handler.api_key, version, received(handler.api_key, version, body))
            except MalformedRequest:
                pass


@pytest.mark.parametrize(
    ("version", "body"),
    [(1, b"\x7f\xff\xff\xff"), (12, b"\xff\xff\xff\xff\x0f"), (1, b"\xff\xff\xff\xfe")],
)
def test_a_count_beyond_the_frame_is_malformed(version: int, body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        decode_request(ApiKey.METADATA, version, received(ApiKey.METADATA, version, body))


def test_null_is_taken_only_where_the_schema_has_it() -> None:
    """Metadata's topics may be null from version 1 on; DescribeGroups' groups never."""
    null = b"\xff\xff\xff\xff"
    decoded = decode_request(ApiKey.METADATA, 1, received(ApiKey.METADATA, 1, null))
    assert decoded.topics is None
    with pytest.raises(MalformedRequest):
        decode_request(ApiKey.DESCRIBE_GROUPS, 0, received(ApiKey.DESCRIBE_GROUPS, 0, null))
    with pytest.raises(MalformedRequest):
        decode_request(ApiKey.DESCRIBE_GROUPS, 5, received(ApiKey.DESCRIBE_GROUPS, 5, b"\0\0\0"))
