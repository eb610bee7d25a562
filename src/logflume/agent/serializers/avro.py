"""Events in Avro's container files."""

from __future__ import annotations

import io

from logflume.agent.options import ComponentConfig, setting
from logflume.agent.registry import serializer
from logflume.agent.serializers.serializer import Serializer
from logflume.config.kinds import Choice, Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.agent.events import EventBatch

__all__ = ["AvroEvent", "AvroEventConfig"]

_SCHEMA = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "headers", "type": {"type": "map", "values": "string"}},
        {"name": "body", "type": "bytes"},
    ],
}


class AvroEventConfig(ComponentConfig, table="Avro event serializer"):
    """Flume guide, "“Flume Event” Avro Event Serializer"."""

    sync_interval_bytes: int = setting(
        "syncIntervalBytes",
        2_048_000,
        Size(min=32, max=1 << 30),
        doc="Bytes of a block at most. A block also ends with each batch that is written.",
    )
    compression_codec: str = setting(
        "compressionCodec",
        "null",
        Choice("null", "deflate", "bzip2", "xz", "snappy", "zstandard"),
        doc="Codec of the blocks; snappy and zstandard need the libraries that fastavro names.",
    )


@serializer("avro_event", "org.apache.flume.serialization.FlumeEventAvroEventSerializer")
class AvroEvent(Serializer):
    """Whole events, headers included, in Flume's own schema. Each batch ends a block, so that a file may end there."""

    Config = AvroEventConfig

    def head(self) -> bytes:
        """The file's header; what follows bears its sync marker."""
        import fastavro.write

        self._out = io.BytesIO()
        self._writer: Any = fastavro.write.Writer(
            self._out,
            _SCHEMA,
            codec=self.config.compression_codec,
            sync_interval=self.config.sync_interval_bytes,
        )
        return self._taken()

    def encode(self, batch: EventBatch) -> bytes:
        for headers, body in zip(batch.rows(), batch.body_list(), strict=True):
            self._writer.write({"headers": headers, "body": body})
        self._writer.flush()
        return self._taken()

    def _taken(self) -> bytes:
        data = self._out.getvalue()
        self._out.seek(0)
        self._out.truncate()
        return data
