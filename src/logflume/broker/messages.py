"""Protocol messages by the library kio: a request's bytes to an object, fields to a response's bytes.

A handler serves all versions of an API at once, and kio has a class for each version. So a handler answers with a
plain mapping of all fields it knows of; what the client's version lacks is left out here, and what the mapping
does not give gets the schema's default. Numbers stand for kio's own types: error codes, milliseconds, and
22-character topic ids for UUIDs.

kio is imported at the first message, not with this module: it costs more than the rest of the start.
"""

from __future__ import annotations

import io
from functools import lru_cache

from logflume.broker.kio_import import import_kio
from logflume.broker.shapes import nested_entity, shape_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from logflume._native.frames import Frame
    from logflume._native.shape import Shape

    Fields = Mapping[str, Any]
    Convert = Callable[[Any], Any]

__all__ = [
    "MalformedRequest",
    "decode_request",
    "dropped",
    "encode_response",
    "milliseconds",
    "preload",
]


dropped: set[tuple[type[Any], str]] | None = None
"""What was given and left out, by kio's class; kept by tests, which look whether any version has it."""


class MalformedRequest(Exception):
    """The bytes are no request of that API and version."""


def preload() -> None:
    """Import kio now, so that the first client does not wait for it."""
    _reader(18, 4)
    _writer(18, 4)


def decode_request(api_key: int, version: int, frame: Frame) -> Any:
    """The request behind the frame's head as kio's object. Raises MalformedRequest."""
    shape, read = _reader(api_key, version)
    # kio believes the counts that it reads, and a process that runs out of memory for them is gone.
    if not shape.fits(frame):
        raise MalformedRequest("lengths or counts that do not fit the frame")
    try:
        request, _ = read(frame, frame.body_at)
    except Exception as error:
        # kio raises its own errors, and those of Python where a value does not fit a type.
        raise MalformedRequest(f"{type(error).__name__}: {error}") from error
    return request


def encode_response(api_key: int, version: int, correlation_id: int, fields: Fields) -> bytes:
    """A whole response, its size in front. KeyError names a field that the schema has no default for."""
    write_head, build, write_body = _writer(api_key, version)
    out = io.BytesIO()
    out.write(b"\0\0\0\0")
    write_head(out, correlation_id)
    write_body(out, build(fields))
    size = out.tell() - 4
    out.seek(0)
    out.write(size.to_bytes(4, "big"))
    return out.getvalue()


def milliseconds(duration: Any) -> int:
    """kio's timedelta of a request in milliseconds."""
    seconds: float = duration.total_seconds()
    return round(seconds * 1000)


@lru_cache(maxsize=1024)
def _reader(api_key: int, version: int) -> tuple[Shape, Callable[[Frame, int], tuple[Any, int]]]:
    import_kio()
    from kio.index import load_request_schema
    from kio.serial import entity_reader

    request = load_request_schema(api_key, version)
    return shape_of(request), entity_reader(request)


@lru_cache(maxsize=1024)
def _writer(
    api_key: int, version: int
) -> tuple[Callable[[Any, int], None], Convert, Callable[[Any, Any], None]]:
    import_kio()
    from kio.index import load_response_schema
    from kio.serial import entity_writer

    response = load_response_schema(api_key, version)
    head: Any = response.__header_schema__
    write_head = entity_writer(head)

    def write_correlation(out: Any, correlation_id: int) -> None:
        write_head(out, head(correlation_id=correlation_id))

    return write_correlation, _builder(response), entity_writer(response)


def _builder(entity: type[Any]) -> Convert:
    """A function from fields by name to an object of this class."""
    from dataclasses import MISSING, fields

    steps: list[tuple[str, Convert | None]] = []
    needed: set[str] = set()
    for field in fields(entity):
        steps.append((field.name, _converter(field)))
        if field.default is MISSING and field.default_factory is MISSING:
            needed.add(field.name)
    names = {name for name, _ in steps}
    implied = _implied_defaults(entity, needed)

    def build(given: Fields) -> Any:
        values = dict(implied)
        for name, convert in steps:
            if name in given:
                value = given[name]
                values[name] = value if convert is None or value is None else convert(value)
            elif name in needed and name not in implied:
                raise KeyError(f"{entity.__name__}.{name}")
        if dropped is not None:
            dropped.update((entity, name) for name in given if name not in names)
        return entity(**values)

    return build


def _implied_defaults(entity: type[Any], needed: set[str]) -> dict[str, Any]:
    """What every response has and none of ours ever changes."""
    if "throttle_time" not in needed:
        return {}
    from datetime import timedelta

    return {"throttle_time": timedelta(0)}


def _converter(field: Any) -> Convert | None:
    """From the plain values that handlers use to kio's, None when they are the same."""
    kind = field.metadata.get("kafka_type")
    if kind is None:
        one: Convert | None = _builder(nested_entity(field.type))
    else:
        one = _primitive(kind)
    if "tuple[" not in str(field.type):
        return one
    if one is None:
        return tuple
    convert = one
    return lambda items: tuple(convert(item) for item in items)


def _primitive(kind: str) -> Convert | None:
    if kind == "error_code":
        from kio.schema.errors import ErrorCode

        return ErrorCode
    if kind.startswith("timedelta"):
        from datetime import timedelta

        return lambda value: timedelta(milliseconds=value)
    if kind.startswith("datetime"):
        from datetime import UTC, datetime

        return lambda value: datetime.fromtimestamp(value / 1000, UTC)
    if kind == "uuid":
        from uuid import UUID

        from logflume.log.ids import decode_id

        return lambda value: UUID(bytes=decode_id(value))
    return None
