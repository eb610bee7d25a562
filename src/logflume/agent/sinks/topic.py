"""Events into a topic of a logflume directory."""

from __future__ import annotations

from logflume.agent.components import Sink
from logflume.agent.options import ComponentConfig, needed, setting
from logflume.agent.registry import sink
from logflume.config.kinds import Acks, Int, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.events import EventBatch

__all__ = [
    "TopicConfig",
    "TopicSink",
]


class TopicConfig(ComponentConfig, table="logflume sink"):
    """A sink of our own: no page of Flume's."""

    directory: str = needed("directory", Text(), doc="The log directory.")
    topic: str = needed(
        "topic", Text(), doc="The topic; made, with one partition, when it is missing."
    )
    key_header: str | None = setting(
        "keyHeader",
        "key",
        Text(),
        doc="The header whose value is the record's key.",
        origin="logflume",
    )
    acks: int = setting(
        "acks", -1, Acks(), doc="When a record counts as written: all, 1.", origin="logflume"
    )
    batch_size: int = setting(
        "batchSize", 1000, Int(min=1), doc="Events of a transaction.", origin="logflume"
    )


@sink("logflume")
class TopicSink(Sink):
    """Bodies are values, headers are record headers. At least once: a crash between write and commit writes again."""

    Config = TopicConfig

    def open(self) -> None:
        store = self.context.stores.open(self.config.directory)
        store.topic(self.config.topic, 1, {})
        self._producer = store.log.producer(acks=self.config.acks)

    def write(self, batch: EventBatch) -> None:
        keys = None
        if self.config.key_header:
            column = batch.header(self.config.key_header)
            if any(value is not None for value in column):
                keys = [None if value is None else value.encode() for value in column]
        self._producer.send_many(
            self.config.topic, batch.bodies, keys=keys, headers=batch.append_headers()
        )
        self._producer.flush()
