"""How a record is written by `cat` and `tail`: value, key-value, json, hex, or a template.

A formatter takes a batch and returns one piece of bytes for each row, without its newline. A null key or value
is an empty text in all of them but json, which tells the two apart.
"""

from __future__ import annotations

from logflume.cli.amounts import iso_time
from logflume.cli.failures import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from logflume._native.columns import Record, RecordBatch

    Formatter = Callable[[RecordBatch], list[bytes]]

__all__ = ["formatter", "json_fields", "put_bytes"]

_FIELDS = ("topic", "partition", "offset", "timestamp", "time", "key", "value", "headers")
_ESCAPES = (("\\t", "\t"), ("\\n", "\n"), ("\\r", "\r"), ("\\0", "\0"))


def formatter(name: str) -> Formatter:
    """The formatter of that name, or of that template. Raises Usage."""
    known: dict[str, Formatter] = {
        "value": _values,
        "key-value": _key_values,
        "json": _json,
        "hex": _hex,
    }
    if name in known:
        return known[name]
    if "{" not in name:
        names = ", ".join(known)
        raise Usage(f"--format {name}: expected {names}, or a template like '{{offset}} {{value}}'")
    return _template(name)


def _values(batch: RecordBatch) -> list[bytes]:
    return [value or b"" for value in batch.values.tolist()]


def _key_values(batch: RecordBatch) -> list[bytes]:
    pairs = zip(batch.keys.tolist(), batch.values.tolist())
    return [b"%b\t%b" % (key or b"", value or b"") for key, value in pairs]


def _hex(batch: RecordBatch) -> list[bytes]:
    pairs = zip(batch.keys.tolist(), batch.values.tolist())
    return [f"{(key or b'').hex()}\t{(value or b'').hex()}".encode() for key, value in pairs]


def _json(batch: RecordBatch) -> list[bytes]:
    import json

    encode = json.JSONEncoder(ensure_ascii=False, separators=(", ", ": ")).encode
    return [encode(json_fields(record)).encode() for record in batch.records()]


def json_fields(record: Record) -> dict[str, Any]:
    """A record as JSON has it. Bytes that are no UTF-8 are base64, under a name that says so."""
    fields: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
    }
    put_bytes(fields, "key", record.key)
    put_bytes(fields, "value", record.value)
    if record.headers:
        headers = []
        for name, value in record.headers:
            header: dict[str, Any] = {"name": name.encode("utf-8", "replace").decode()}
            put_bytes(header, "value", value)
            headers.append(header)
        fields["headers"] = headers
    return fields


def put_bytes(fields: dict[str, Any], name: str, data: bytes | None) -> None:
    """Text as text; what is no UTF-8 in base64, under a name that says so."""
    if data is None:
        fields[name] = None
        return
    try:
        fields[name] = data.decode()
    except UnicodeDecodeError:
        import base64

        fields[f"{name}_base64"] = base64.b64encode(data).decode()


def _template(text: str) -> Formatter:
    """A template's fields are those of str.format: `{offset:>8}`. Bytes pass through as they are."""
    import string

    for written, meant in _ESCAPES:
        text = text.replace(written, meant)
    try:
        pieces = [field for _, field, _, _ in string.Formatter().parse(text) if field is not None]
        unknown = [field for field in pieces if field not in _FIELDS]
        if not unknown:
            text.format(**_sample())
    except ValueError as error:
        raise Usage(f"--format {text!r}: {error}") from None
    if unknown:
        fields = ", ".join(_FIELDS)
        raise Usage(f"--format: no field {{{unknown[0]}}}; there are {fields}")

    def format_batch(batch: RecordBatch) -> list[bytes]:
        # surrogateescape both ways: what is no UTF-8 comes out as it went in.
        return [
            text.format(**_texts(record)).encode("utf-8", "surrogateescape")
            for record in batch.records()
        ]

    return format_batch


def _texts(record: Record) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "time": iso_time(record.timestamp),
        "key": (record.key or b"").decode("utf-8", "surrogateescape"),
        "value": (record.value or b"").decode("utf-8", "surrogateescape"),
        "headers": ",".join(
            f"{name}={(value or b'').decode('utf-8', 'surrogateescape')}"
            for name, value in record.headers
        ),
    }


def _sample() -> dict[str, Any]:
    words = dict.fromkeys(_FIELDS, "")
    return {**words, "partition": 0, "offset": 0, "timestamp": 0}
