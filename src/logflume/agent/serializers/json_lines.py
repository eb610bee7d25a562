"""One JSON object a line: `{"headers": {...}, "body": "..."}`, as Flume's HTTP source reads them."""

from __future__ import annotations

import json

from logflume.agent.options import ComponentConfig
from logflume.agent.registry import serializer
from logflume.agent.serializers.serializer import Serializer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.events import EventBatch

__all__ = [
    "JsonConfig",
    "JsonLines",
]


class JsonConfig(ComponentConfig, table="JSON serializer"):
    """No properties."""


@serializer("json")
class JsonLines(Serializer):
    """Bodies are written as UTF-8 text; bytes that are none become the replacement character."""

    Config = JsonConfig

    def encode(self, batch: EventBatch) -> bytes:
        return b"".join(
            json.dumps(
                {"headers": headers, "body": body.decode("utf-8", "replace")}, ensure_ascii=False
            ).encode()
            + b"\n"
            for headers, body in zip(batch.rows(), batch.body_list(), strict=True)
        )
