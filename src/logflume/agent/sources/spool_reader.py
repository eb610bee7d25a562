"""Deserializers: a spooled file as events."""

from __future__ import annotations

import codecs
import os

from logflume._native.lines import split_lines
from logflume.agent.options import ComponentConfig, parse_component, setting
from logflume.agent.sources.spool_avro import AvroConfig, AvroFiles
from logflume.config.kinds import Int, Size, Text
from logflume.errors import CorruptRecord, InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Protocol

    from logflume._native.lines import Lines
    from logflume.agent.events import Bodies

    class Reader(Protocol):
        """Reads a file in batches."""

        def headers(self, path: str) -> dict[str, str]:
            """What all events of a file get."""

        def read(self, path: str, position: int, batch_size: int) -> Iterator[tuple[Bodies, int]]:
            """Bodies from a position on, and the position behind each batch: the reader's own, 0 is the beginning."""


__all__ = [
    "BlobConfig",
    "LineConfig",
    "reader_of",
]

_READ = 1 << 20


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
        if "\n".encode(charset) != b"\n":
            raise InvalidConfig(
                name="inputCharset",
                value=charset,
                reason="is not served for lines: only encodings in which a line's end is the one byte of ASCII are",
            )
        return _Lines(parse_component(LineConfig, options), charset, policy)
    if word in ("blob", "org.apache.flume.sink.solr.morphline.blobdeserializer"):
        return _Blobs(parse_component(BlobConfig, options))
    if word in ("avro", "org.apache.flume.serialization.avroeventdeserializer"):
        return AvroFiles(parse_component(AvroConfig, options))
    raise InvalidConfig(
        name="deserializer",
        value=name,
        reason="there is no such deserializer; line, avro and blob are served",
    )


class _Plain:
    def headers(self, path: str) -> dict[str, str]:
        """None."""
        return {}


class _Lines(_Plain):
    """Lines; bytes as they are where both encodings are the same."""

    def __init__(self, config: Any, charset: str, policy: str) -> None:
        self._most = config.max_line_length
        self._from, self._to = charset, config.output_charset
        # What cannot fail is not decoded; who asks for bytes to be replaced or left out is given that.
        self._same = policy == "FAIL" and codecs.lookup(charset) == codecs.lookup(
            config.output_charset
        )
        self._errors = {"FAIL": "strict", "REPLACE": "replace", "IGNORE": "ignore"}[policy]

    def read(self, path: str, position: int, batch_size: int) -> Iterator[tuple[Bodies, int]]:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            want = _READ
            while position < size:
                data = os.pread(file.fileno(), want, position)
                # Pieces are cut behind the decoding, where there is one: they may not fall into a character.
                pieces = self._most if self._same else len(data) + 1
                lines = split_lines(
                    data,
                    last=position + len(data) >= size,
                    whole_max=len(data) + 1,
                    piece_max=pieces,
                )
                if not len(lines):
                    want *= 2  # a line longer than what was read
                    continue
                want = _READ
                at = 0
                while at < len(lines):
                    upto = lines.cut(at, batch_size)
                    yield self._bodies(path, lines[at:upto], position), position + lines.end(upto)
                    at = upto
                position += lines.end(len(lines))

    def _bodies(self, path: str, lines: Lines, position: int) -> Bodies:
        if self._same:
            return lines
        try:
            texts = [(line or b"").decode(self._from, self._errors) for line in lines.tolist()]
            bodies = [text.encode(self._to) for text in texts]
        except UnicodeError as error:
            raise CorruptRecord(path=path, position=position, reason=str(error)) from None
        most = self._most
        return [body[i : i + most] for body in bodies for i in range(0, max(len(body), 1), most)]


class _Blobs(_Plain):
    """Whole files."""

    def __init__(self, config: Any) -> None:
        self._most = config.max_blob_length

    def read(self, path: str, position: int, batch_size: int) -> Iterator[tuple[Bodies, int]]:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            while position < size:
                data = os.pread(file.fileno(), min(self._most, size - position), position)
                position += len(data)
                yield [data], position
