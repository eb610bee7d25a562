"""Deserializers: a spooled file as events."""

from __future__ import annotations

import os

from logflume.agent.options import ComponentConfig, parse_component, setting
from logflume.agent.sources.lines import split_lines
from logflume.config.kinds import Int, Size, Text
from logflume.errors import CorruptRecord, InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Protocol

    class Reader(Protocol):
        """Reads a file in batches."""

        def read(
            self, path: str, position: int, batch_size: int
        ) -> Iterator[tuple[list[bytes], int]]:
            """Bodies from a position on, and the position behind each batch."""


__all__ = [
    "BlobConfig",
    "LineConfig",
    "reader_of",
]

_READ = 4 << 20


class LineConfig(ComponentConfig, table="line deserializer"):
    """Flume guide, "LINE"."""

    max_line_length: int = setting(
        "maxLineLength", 2048, Int(min=1), doc="Bytes of an event; a longer line becomes several."
    )
    output_charset: str = setting("outputCharset", "UTF-8", Text(), doc="Encoding of the bodies.")


class BlobConfig(ComponentConfig, table="blob deserializer"):
    """Flume guide, "BlobDeserializer"."""

    max_blob_length: int = setting(
        "maxBlobLength",
        100_000_000,
        Size(min=1),
        doc="Bytes of an event; a longer file becomes several.",
    )


def reader_of(name: str, options: Mapping[str, str], charset: str, policy: str) -> Reader:
    """The deserializer of this name. Raises InvalidConfig."""
    word = name.lower().removesuffix("$builder")
    for encoding in (charset, options.get("outputCharset", "UTF-8")):
        try:
            "".encode(encoding)
        except LookupError:
            raise InvalidConfig(
                name="inputCharset", value=encoding, reason="is no known encoding"
            ) from None
    if word in ("line", "org.apache.flume.serialization.linedeserializer"):
        return _Lines(parse_component(LineConfig, options), charset, policy)
    if word in ("blob", "org.apache.flume.sink.solr.morphline.blobdeserializer"):
        return _Blobs(parse_component(BlobConfig, options))
    raise InvalidConfig(
        name="deserializer",
        value=name,
        reason="there is no such deserializer; line and blob are served",
    )


class _Lines:
    """Lines; bytes as they are where both encodings are the same."""

    def __init__(self, config: Any, charset: str, policy: str) -> None:
        self._most = config.max_line_length
        self._from, self._to = charset, config.output_charset
        self._same = charset.lower().replace("-", "") == config.output_charset.lower().replace(
            "-", ""
        )
        self._errors = {"FAIL": "strict", "REPLACE": "replace", "IGNORE": "ignore"}[policy]

    def read(self, path: str, position: int, batch_size: int) -> Iterator[tuple[list[bytes], int]]:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            want = _READ
            while position < size:
                data = os.pread(file.fileno(), want, position)
                lines, ends = split_lines(data, last=position + len(data) >= size)
                if not lines:
                    want *= 2  # a line longer than what was read
                    continue
                want = _READ
                for at in range(0, len(lines), batch_size):
                    upto = min(at + batch_size, len(lines))
                    yield self._bodies(path, lines[at:upto], position), position + ends[upto - 1]
                position += ends[-1]

    def _bodies(self, path: str, lines: list[bytes], position: int) -> list[bytes]:
        if not self._same:
            try:
                lines = [line.decode(self._from, self._errors).encode(self._to) for line in lines]
            except UnicodeError as error:
                raise CorruptRecord(path=path, position=position, reason=str(error)) from None
        most = self._most
        if max(map(len, lines)) <= most:
            return lines
        return [line[i : i + most] for line in lines for i in range(0, max(len(line), 1), most)]


class _Blobs:
    """Whole files."""

    def __init__(self, config: Any) -> None:
        self._most = config.max_blob_length

    def read(self, path: str, position: int, batch_size: int) -> Iterator[tuple[list[bytes], int]]:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            while position < size:
                data = os.pread(file.fileno(), min(self._most, size - position), position)
                position += len(data)
                yield [data], position
