"""`table get|scan`: a topic as the last value of each key."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from logflume.cli.context import Shared
from logflume.cli.failures import Failed, Usage
from logflume.cli.formats import put_bytes
from logflume.cli.output import to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["get", "scan"]

_FORMATS = ("key-value", "key", "value", "json", "hex")

_Topic = Annotated[str, Parameter(help="The topic's name.")]
_Hex = Annotated[
    bool,
    Parameter(name="--hex", show_default=False, help="The key is given in hexadecimal digits."),
]


def get(
    topic: _Topic,
    key: Annotated[str, Parameter(help="The key.")],
    /,
    *,
    hex_: _Hex = False,
    context: Shared,
) -> None:
    """Print the last value of a key. Exit code 1 when the topic has none, or deleted it.

    Reading a table saves where it stands beside the topic, so that the next time only what is new is read.
    """
    wanted = _key(key, hex_)
    with context.look() as log, log.table(topic) as table:
        value = table.get(wanted)
    if value is None:
        raise Failed(f"{topic} has no value for the key {key}")
    if context.json:
        context.output.answer(_document(wanted, value))
    else:
        _write([value])


def scan(
    topic: _Topic,
    prefix: Annotated[str, Parameter(help="Only keys that begin so; all without.")] = "",
    /,
    *,
    hex_: _Hex = False,
    max_: Annotated[int | None, Parameter(name="--max", help="Stop after this many keys.")] = None,
    format_: Annotated[
        str | None,
        Parameter(
            name="--format",
            help="key-value (a tab between), key, value, json or hex. [default: key-value]",
        ),
    ] = None,
    context: Shared,
) -> None:
    """Print each key with its last value, in the order of the keys' bytes."""
    if max_ is not None and max_ < 1:
        raise Usage(f"--max {max_}: expected 1 or more")
    if context.json and format_ not in (None, "json"):
        raise Usage("--json is a format of its own: leave --format out")
    form = "json" if context.json else format_ or "key-value"
    if form not in _FORMATS:
        raise Usage(f"--format {form}: expected {', '.join(_FORMATS)}")
    begins = _key(prefix, hex_)
    with context.look() as log, log.table(topic) as table:
        _write([_line(form, key, value) for key, value in table.scan(begins, limit=max_)])


def _key(text: str, hex_: bool) -> bytes:
    if not hex_:
        return text.encode("utf-8", "surrogateescape")
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Usage(f"--hex: {text!r} are no hexadecimal digits") from None


def _line(form: str, key: bytes, value: bytes) -> bytes:
    if form == "json":
        return to_json(_document(key, value)).encode()
    if form == "key":
        return key
    if form == "value":
        return value
    return b"%b\t%b" % (
        (key.hex().encode(), value.hex().encode()) if form == "hex" else (key, value)
    )


def _document(key: bytes, value: bytes) -> dict[str, Any]:
    document: dict[str, Any] = {}
    put_bytes(document, "key", key)
    put_bytes(document, "value", value)
    return document


def _write(lines: list[bytes]) -> None:
    """Bytes as they are, a newline behind each."""
    sys.stdout.flush()
    if lines:
        sys.stdout.buffer.write(b"\n".join(lines) + b"\n")
        sys.stdout.buffer.flush()
