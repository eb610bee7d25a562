"""How keys and values become bytes and come back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

__all__ = ["BYTES", "JSON", "TEXT", "Serde"]

T = TypeVar("T")


class Serde(NamedTuple, Generic[T]):
    """A pair of callables, each the other's reverse; any such pair will do.

    `serialize` must give equal bytes for equal keys: it is the bytes that are compared and hashed.
    """

    serialize: Callable[[T], bytes]
    deserialize: Callable[[bytes], T]


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise TypeError(
        f"keys and values are bytes, not {type(value).__name__}; for others give key_serde or value_serde"
    )


def _same(value: bytes) -> bytes:
    return value


def _to_json(value: Any) -> bytes:
    # Sorted and without spaces, so that equal keys are equal bytes.
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


BYTES: Serde[bytes] = Serde(_as_bytes, _same)
"""As they are: the default."""
TEXT: Serde[str] = Serde(str.encode, bytes.decode)
"""str as UTF-8."""
JSON: Serde[Any] = Serde(_to_json, json.loads)
"""What the standard library's json can write."""
