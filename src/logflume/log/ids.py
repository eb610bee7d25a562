"""Kafka's ids: 16 random bytes, written as 22 characters of URL-safe base64 without padding."""

from __future__ import annotations

import binascii
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CLUSTER_METADATA_ID", "NO_ID", "decode_id", "encode_id", "is_id", "new_id"]

_BYTES = 16
_LENGTH = 22
_TO_URL = str.maketrans("+/", "-_")
_FROM_URL = str.maketrans("-_", "+/")
NO_ID = "A" * _LENGTH
"""All zeroes: Kafka's way of saying that there is no id."""
CLUSTER_METADATA_ID = "A" * (_LENGTH - 1) + "Q"
"""The id of `__cluster_metadata`, the same in every cluster."""


def new_id(random: Callable[[int], bytes] = os.urandom) -> str:
    """A new id. As in Kafka it does not start with "-", which command lines take for an option."""
    while True:
        raw = bytearray(random(_BYTES))
        # The marks of a random UUID (RFC 9562, version 4), as Java's UUID.randomUUID sets them.
        raw[6] = raw[6] & 0x0F | 0x40
        raw[8] = raw[8] & 0x3F | 0x80
        text = encode_id(bytes(raw))
        if not text.startswith("-"):
            return text


def encode_id(raw: bytes) -> str:
    """The text of an id's 16 bytes."""
    if len(raw) != _BYTES:
        raise ValueError(f"an id has {_BYTES} bytes, not {len(raw)}")
    # Not the module base64: it imports `re`, which costs more than all of this.
    return binascii.b2a_base64(raw, newline=False).rstrip(b"=").decode().translate(_TO_URL)


def decode_id(text: str) -> bytes:
    """The 16 bytes of an id's text; ValueError when it is none."""
    if len(text) != _LENGTH or not text.isascii() or "+" in text or "/" in text:
        raise ValueError(f"an id has {_LENGTH} characters of URL-safe base64: {text[:64]!r}")
    try:
        raw = binascii.a2b_base64(text.translate(_FROM_URL) + "==", strict_mode=True)
    except binascii.Error:
        raise ValueError(f"not URL-safe base64: {text!r}") from None
    if encode_id(raw) != text:  # the last character has four bits to spare
        raise ValueError(f"not the usual form of an id: {text!r}")
    return raw


def is_id(text: str) -> bool:
    """Whether a text is an id that a topic or directory can have."""
    try:
        decode_id(text)
    except ValueError:
        return False
    return text not in (NO_ID, CLUSTER_METADATA_ID)
