"""Events into a topic of a logflume directory."""

from __future__ import annotations

from logflume.agent.components import Sink
from logflume.agent.options import ComponentConfig, needed, setting
from logflume.agent.positions import POSITIONS_TOPIC
from logflume.agent.registry import sink
from logflume.config.kinds import Acks, Int, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.events import EventBatch
    from logflume.client.producer import Producer
    from logflume.client.transactions import Transaction

__all__ = [
    "TopicConfig",
    "TopicSink",
]

_TAKE_MAX = 10_000


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
        "acks",
        -1,
        Acks(),
        doc="`all`: transactions, and each event once; `1`: without, at least once.",
        origin="logflume",
    )
    batch_size: int = setting(
        "batchSize", 1000, Int(min=1), doc="Events of a transaction.", origin="logflume"
    )


@sink("logflume")
class TopicSink(Sink):
    """Bodies are values, headers are record headers.

    From a file channel, with `acks = all`, each event is there once, for readers of committed records.
    A transaction holds the events, and in the topic `agent.positions` of the same directory how far the channel came.
    """

    Config = TopicConfig
    settle_interval_s = 0.1

    @property
    def take_max(self) -> int:
        return max(self.batch_size, _TAKE_MAX)

    def setup(self) -> None:
        self._producer: Producer | None = None
        self._transaction: Transaction | None = None

    @property
    def _once(self) -> bool:
        return self.channel_is_durable and bool(self.config.acks == -1)

    @property
    def _key(self) -> bytes:
        return f"{self.context.agent}/{self.name}/sink".encode()

    def open(self) -> None:
        self._store = self.context.stores.open(self.config.directory)
        self._store.topic(self.config.topic, 1, {})

    def restore(self, note: str | None) -> None:
        """What was not committed is taken back."""
        transaction, self._transaction = self._transaction, None
        if transaction is not None and transaction.is_open:
            transaction.abort()

    def stored_place(self) -> str | None:
        if not self._once:
            return None
        self._begin_producer()  # ends what a process before this one left open
        with self._store.log.table(POSITIONS_TOPIC, follow="manual") as table:
            table.refresh()
            found = table.get(self._key)
        return None if found is None else bytes(found).decode()

    def _begin_producer(self) -> Producer:
        if self._producer is None:
            if self._once:
                self._store.positions_topic()
                name = f"logflume-agent-sink/{self.context.agent}/{self.name}"
                self._producer = self._store.log.producer(transactional_id=name)
            else:
                self._producer = self._store.log.producer(acks=self.config.acks)
        return self._producer

    def write(self, batch: EventBatch) -> None:
        keys = None
        if self.config.key_header:
            column = batch.header(self.config.key_header)
            if any(value is not None for value in column):
                keys = [None if value is None else value.encode() for value in column]
        producer = self._begin_producer()
        if self._once and self._transaction is None:
            self._transaction = producer.transaction()
        producer.send_many(
            self.config.topic, batch.bodies, keys=keys, headers=batch.append_headers()
        )

    def settle_at(self, place: str | None) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is None or self._producer is None:
            return  # sent without one: every send is acknowledged when it returns
        try:
            if place is not None:
                self._producer.send_many(
                    POSITIONS_TOPIC, [place.encode()], keys=[self._key], partition=0
                )
        except BaseException:
            transaction.abort()
            raise
        transaction.commit()

    def close(self) -> None:
        self.restore(None)
        if self._producer is not None:
            self._producer.close()
            self._producer = None
