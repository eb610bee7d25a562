"""Hadoop's SequenceFiles, version 6, as Flume writes them: a time and a body each.

Layout (Hadoop's javadoc of SequenceFile): a header with the classes' names and a random mark; records; the mark
again now and then, so that a reader may begin anywhere. Numbers are big endian, texts are UTF-8 behind their length.
With a codec records stand in blocks: four compressed columns behind the mark.
"""

from __future__ import annotations

import os
import struct
import time

from logflume.agent.buckets.encoder import Encoder
from logflume.errors import InvalidRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from logflume.agent.buckets.codecs import Codec
    from logflume.agent.events import EventBatch

__all__ = ["SequenceFile", "vint"]

_KEY = "org.apache.hadoop.io.LongWritable"
_VALUE = {"writable": "org.apache.hadoop.io.BytesWritable", "text": "org.apache.hadoop.io.Text"}
_ESCAPE = struct.pack(">i", -1)
_MARK_EVERY_BYTES = 100 << 10
_BLOCK_BYTES = 1_000_000  # io.seqfile.compress.blocksize


def vint(number: int) -> bytes:
    """WritableUtils.writeVInt of a number that is not negative."""
    if number <= 127:
        return bytes([number])
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([256 - 112 - len(data)]) + data


def _text(text: str) -> bytes:
    data = text.encode()
    return vint(len(data)) + data


class SequenceFile(Encoder):
    """One file.

    Parameters: `value`, how bodies are written, `writable` (BytesWritable) or `text`; `codec`, for blocks of
    compressed records. The key is the header `timestamp`, or the time of writing.
    """

    def __init__(
        self, value: str, codec: Codec | None, clock: Callable[[], float] = time.time
    ) -> None:
        self._value = value
        self._codec = codec
        self._clock = clock
        self._mark = os.urandom(16)
        self._since_mark = 0
        self._keys: list[bytes] = []
        self._values: list[bytes] = []
        self._held = 0

    def head(self) -> bytes:
        codec = self._codec
        flags = bytes([codec is not None, codec is not None])
        names = _text(_KEY) + _text(_VALUE[self._value]) + flags
        if codec is not None:
            names += _text(codec.java)
        return b"SEQ\x06" + names + struct.pack(">i", 0) + self._mark

    def encode(self, batch: EventBatch) -> bytes:
        keys = self._times(batch)
        bodies = batch.body_list()
        if self._value == "text":
            values = [vint(len(body)) + body for body in bodies]
        else:
            values = [len(body).to_bytes(4, "big") + body for body in bodies]
        return self._block(keys, values) if self._codec is not None else self._records(keys, values)

    def finish(self) -> bytes:
        if self._codec is not None:
            return self._flushed()
        marked, self._since_mark = self._since_mark, 0
        return _ESCAPE + self._mark if marked else b""

    def _times(self, batch: EventBatch) -> list[bytes]:
        now = str(int(self._clock() * 1000))
        try:
            return [
                struct.pack(">q", int(now if text is None else text))
                for text in batch.header("timestamp")
            ]
        except (ValueError, struct.error):
            raise InvalidRecord(reason="the header timestamp is no number") from None

    def _records(self, keys: list[bytes], values: list[bytes]) -> bytes:
        out = []
        for key, value in zip(keys, values, strict=True):
            if self._since_mark >= _MARK_EVERY_BYTES:
                out.append(_ESCAPE + self._mark)
                self._since_mark = 0
            out += [struct.pack(">ii", 8 + len(value), 8), key, value]
            self._since_mark += 16 + len(value)
        return b"".join(out)

    def _block(self, keys: list[bytes], values: list[bytes]) -> bytes:
        out = []
        for key, value in zip(keys, values, strict=True):
            self._keys.append(key)
            self._values.append(value)
            self._held += 8 + len(value)
            if self._held >= _BLOCK_BYTES:
                out.append(self._flushed())
        return b"".join(out)

    def _flushed(self) -> bytes:
        """The gathered records as a block."""
        keys, values = self._keys, self._values
        self._keys, self._values, self._held = [], [], 0
        if not keys or self._codec is None:
            return b""
        columns = (
            vint(8) * len(keys),
            b"".join(keys),
            b"".join(vint(len(value)) for value in values),
            b"".join(values),
        )
        packed = [self._codec.whole(column) for column in columns]
        return b"".join([_ESCAPE, self._mark, vint(len(keys)), *(vint(len(p)) + p for p in packed)])
