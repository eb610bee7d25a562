"""Kafka's ids: form, one spelling only, never starting with a dash."""

from __future__ import annotations

import base64
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume.log.ids import CLUSTER_METADATA_ID, NO_ID, decode_id, encode_id, is_id, new_id


@given(st.binary(min_size=16, max_size=16))
def test_text_and_bytes_are_one_to_one_as_pythons_own_base64(raw: bytes) -> None:
    text = encode_id(raw)
    assert text == base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert decode_id(text) == raw


def test_new_ids_are_random_uuids() -> None:
    ids = {new_id() for _ in range(200)}
    assert len(ids) == 200
    assert all(uuid.UUID(bytes=decode_id(text)).version == 4 for text in ids)
    assert all(is_id(text) for text in ids)


def test_a_new_id_does_not_start_with_a_dash() -> None:
    draws = iter([b"\xf8" + bytes(15), b"\x04" + bytes(15)])
    assert new_id(random=lambda count: next(draws)) == encode_id(
        bytes([4, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 0])
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A" * 21,
        "A" * 23,
        "A" * 21 + "B",
        "A" * 21 + "+",
        "A" * 21 + "/",
        "A" * 20 + "==",
        "ä" * 22,
        "A" * 10 + " " + "A" * 11,
    ],
)
def test_no_ids(text: str) -> None:
    assert not is_id(text)
    with pytest.raises(ValueError, match=r"id|base64"):
        decode_id(text)


def test_reserved_ids_are_no_ids_of_topics() -> None:
    assert decode_id(NO_ID) == bytes(16)
    assert decode_id(CLUSTER_METADATA_ID) == bytes(15) + b"\x01"
    assert not is_id(NO_ID)
    assert not is_id(CLUSTER_METADATA_ID)
    with pytest.raises(ValueError, match="16 bytes"):
        encode_id(b"short")
