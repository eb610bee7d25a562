"""Bodies as lines, with or without their headers before them."""

from __future__ import annotations

from logflume._native.lines import joined
from logflume.agent.options import ComponentConfig, setting
from logflume.agent.registry import serializer
from logflume.agent.serializers.serializer import Serializer
from logflume.config.kinds import Bool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.events import EventBatch

__all__ = [
    "HeaderAndText",
    "Text",
    "TextConfig",
]


class TextConfig(ComponentConfig, table="text serializer"):
    """Flume guide, "Body Text Serializer"."""

    append_newline: bool = setting(
        "appendNewline", True, Bool(), doc="End each event with a newline."
    )


@serializer("text", "org.apache.flume.serialization.BodyTextEventSerializer")
class Text(Serializer):
    """The bodies; headers are not written."""

    Config = TextConfig

    def encode(self, batch: EventBatch) -> bytes | memoryview:
        return joined(batch.bodies, b"\n" if self.config.append_newline else b"")


@serializer("header_and_text", "org.apache.flume.serialization.HeaderAndBodyTextEventSerializer")
class HeaderAndText(Serializer):
    """`{name=value, other=value} body`, as Java prints a map."""

    Config = TextConfig

    def encode(self, batch: EventBatch) -> bytes:
        end = b"\n" if self.config.append_newline else b""
        return b"".join(
            b"{%b} %b%b" % (", ".join(f"{n}={v}" for n, v in headers.items()).encode(), body, end)
            for headers, body in zip(batch.rows(), batch.body_list(), strict=True)
        )
