"""Events as a file's bytes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.buckets.codecs import Codec, Compressor
    from logflume.agent.events import EventBatch
    from logflume.agent.serializers.serializer import Serializer

__all__ = ["CompressedStream", "DataStream", "Encoder"]


class Encoder:
    """Of one file. What it gave up to a `finish` is a whole file: a reader needs nothing behind it."""

    def head(self) -> bytes:
        """What the file begins with."""
        return b""

    def encode(self, batch: EventBatch) -> bytes | memoryview:
        """The events' bytes, or a part of them: the rest comes later."""
        raise NotImplementedError

    def finish(self) -> bytes:
        """What was held back. More may follow."""
        return b""


class DataStream(Encoder):
    """What a serializer makes, as it is."""

    def __init__(self, serializer: Serializer) -> None:
        self._serializer = serializer

    def head(self) -> bytes:
        return self._serializer.head()

    def encode(self, batch: EventBatch) -> bytes | memoryview:
        return self._serializer.encode(batch)


class CompressedStream(Encoder):
    """What a serializer makes, in compressed streams that end with each `finish`."""

    def __init__(self, serializer: Serializer, codec: Codec) -> None:
        self._serializer = serializer
        self._codec = codec
        self._stream: Compressor | None = None

    def head(self) -> bytes:
        return self._compressed(self._serializer.head())

    def encode(self, batch: EventBatch) -> bytes:
        return self._compressed(bytes(self._serializer.encode(batch)))

    def _compressed(self, data: bytes) -> bytes:
        if not data:
            return b""
        if self._stream is None:
            self._stream = self._codec.begin()
        return self._stream.compress(data)

    def finish(self) -> bytes:
        stream, self._stream = self._stream, None
        return b"" if stream is None else stream.flush()
