"""Requests of every API and version with values drawn at random, and damaged ones."""

from __future__ import annotations

import io
import random
import struct
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID

from kio.index import load_request_schema
from kio.serial import entity_writer

from logflume.broker.api_keys import is_flexible

NAMES = ("t", "clicks", "no-such-topic", "__consumer_offsets", "", "g", "ÿ" * 40)
NUMBERS = (-1, 0, 1, 2, 100, (1 << 15) - 1)
INTEGERS = {"int8": 7, "int16": 15, "int32": 31, "int64": 63, "uint16": 16, "uint32": 32}


def frame(api_key: int, version: int, body: bytes, *, correlation_id: int = 1) -> bytes:
    """A whole request."""
    head = struct.pack(">hhih", api_key, version, correlation_id, 4) + b"test"
    if is_flexible(api_key, version):
        head += b"\0"
    return struct.pack(">i", len(head) + len(body)) + head + body


def draw(rng: random.Random, api_key: int, version: int) -> bytes:
    """The body of a request that kio writes, whatever it may mean."""
    cls = load_request_schema(api_key, version)
    out = io.BytesIO()
    entity_writer(cls)(out, _entity(rng, cls))
    return out.getvalue()


def damage(rng: random.Random, body: bytes) -> bytes:
    """Bytes changed, cut off, put in, or blown up."""
    data = bytearray(body)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(4)
        if kind == 0 and at < len(data):
            data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 8))
        else:
            data[at : at + 4] = rng.choice((b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\0"))
    return bytes(data)


def _entity(rng: random.Random, cls: Any) -> Any:
    return cls(**{field.name: _value(rng, field) for field in fields(cls)})


def _value(rng: random.Random, field: Any) -> Any:
    kind = field.metadata.get("kafka_type")
    optional = "None" in str(field.type)
    if optional and rng.random() < 0.3:
        return None
    nested = next((t for t in _flat(field.type) if hasattr(t, "__type__")), None)
    if "tuple[" in str(field.type):
        count = rng.randint(0, 3)
        return tuple(_entity(rng, nested) if nested else _one(rng, kind) for _ in range(count))
    return _entity(rng, nested) if nested else _one(rng, kind)


def _one(rng: random.Random, kind: str) -> Any:
    if kind in INTEGERS:
        bits = INTEGERS[kind]
        low = 0 if kind.startswith("u") else -(1 << bits)
        return rng.choice([n for n in NUMBERS if low <= n < 1 << bits] + [(1 << bits) - 1])
    if kind == "string":
        return rng.choice(NAMES)
    if kind in ("bytes", "records"):
        return rng.randbytes(rng.choice((0, 1, 30, 200)))
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "uuid":
        return UUID(bytes=rng.randbytes(16)) if rng.random() < 0.7 else None
    if kind == "float64":
        return rng.random()
    if kind.startswith("timedelta"):
        return timedelta(milliseconds=rng.choice((0, 1, 50)))
    if kind.startswith("datetime"):
        return datetime.fromtimestamp(rng.choice((0, 1_700_000_000)), UTC)
    if kind == "error_code":
        from kio.schema.errors import ErrorCode

        return ErrorCode(0)
    raise NotImplementedError(kind)


def _flat(annotation: Any) -> list[Any]:
    parts = get_args(annotation)
    return [annotation] if not parts else [inner for part in parts for inner in _flat(part)]
