"""Shows events in the agent's log."""

from __future__ import annotations

from logflume.agent.components import Sink
from logflume.agent.options import ComponentConfig, setting
from logflume.agent.registry import sink
from logflume.config.kinds import Int

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.events import EventBatch

__all__ = [
    "LoggerConfig",
    "LoggerSink",
]


class LoggerConfig(ComponentConfig, table="logger sink"):
    """Flume guide, "Logger Sink". (Flume's own page of it leaves the property out.)"""

    max_bytes_to_log: int = setting(
        "maxBytesToLog", 16, Int(), doc="Bytes of a body that are shown."
    )
    batch_size: int = setting(
        "batchSize", 100, Int(min=1), doc="Events of a transaction.", origin="logflume"
    )


@sink("logger", "org.apache.flume.sink.LoggerSink")
class LoggerSink(Sink):
    """One line an event, at level INFO: headers, and the body in hexadecimal and as text."""

    Config = LoggerConfig

    def write(self, batch: EventBatch) -> None:
        most = self.config.max_bytes_to_log
        for headers, body in zip(batch.rows(), batch.body_list(), strict=True):
            shown = body[:most]
            text = "".join(chr(b) if 32 <= b < 127 else "." for b in shown)
            self.log.info("event", sink=self.name, headers=headers, body=shown.hex(" "), text=text)
