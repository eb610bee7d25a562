"""The open partitions that clients write and read, with what the hot path needs to know of each."""

from __future__ import annotations

import asyncio

from logflume._native.produce import Admission
from logflume.errors import LogflumeError
from logflume.log.partition_settings import codec_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume._native.partition import Partition
    from logflume.broker.server import Broker
    from logflume.config.topic import TopicConfig
    from logflume.log.topic_store import TopicEntry

__all__ = ["UNKNOWN_TOPIC_ID", "Partitions", "Served", "epoch_error"]

FENCED_LEADER_EPOCH = 74
UNKNOWN_LEADER_EPOCH = 75
UNKNOWN_TOPIC_ID = 100


def epoch_error(client: int, current: int) -> int:
    """Kafka's error code where a client believes in another leader epoch; -1 means that it believes in none."""
    if client in (-1, current):
        return 0
    return FENCED_LEADER_EPOCH if client < current else UNKNOWN_LEADER_EPOCH


class Served:
    """One open partition."""

    __slots__ = ("admission", "config", "leader_epoch", "log")

    def __init__(
        self, log: Partition, config: TopicConfig, admission: Admission, leader_epoch: int
    ) -> None:
        self.log = log
        self.config = config
        self.admission = admission
        self.leader_epoch = leader_epoch


class Partitions:
    """Finds partitions by topic and number. Belongs to the broker's event loop, but for `open`."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._served: dict[tuple[str, int], Served] = {}
        self._opening: dict[tuple[str, int], asyncio.Future[Partition]] = {}
        self._admissions: dict[str, tuple[TopicConfig, Admission]] = {}

    def name_of(self, topic: str | bytes) -> str | None:
        """A topic's name from its name or id; None for an id that no topic has."""
        return topic if isinstance(topic, str) else self._broker.topics.name_of(topic)

    def ready(self, name: str, number: int) -> Served | None:
        """The partition when it is open already, with the topic's settings of now; else None: call `open`."""
        served = self._served.get((name, number))
        if served is None or self._broker.faults.misleads:
            return None
        entry = self._broker.topics.recent(name)
        if entry is None or served.log.closed or served.log.gone:
            self._served.pop((name, number), None)  # the look may have done that
            return None
        if entry.config is not served.config:
            served.config = entry.config
            served.admission = self._admission(entry)
        return served

    def logs(self) -> list[Partition]:
        """Those that were asked for and are open."""
        return [served.log for served in self._served.values()]

    def forget_deleted(self) -> None:
        """Somebody changed a topic: let go of those that are no more, which nobody may ever ask for again."""
        find = self._broker.topics.seen
        for key, served in list(self._served.items()):
            if served.log.closed or served.log.gone or find(key[0]) is None:
                del self._served[key]
        for name in [name for name in self._admissions if find(name) is None]:
            del self._admissions[name]

    async def open(self, name: str, number: int) -> Served:
        """Open it, off the event loop: it may have to be recovered first.

        Raises UnknownTopicOrPartition, StorageError.
        """
        broker = self._broker
        entry = broker.topics.with_partition(name, number)
        log = await self._opened(name, number)
        epoch = broker.topics.leader_epochs(entry)[number]
        served = Served(log, entry.config, self._admission(entry), epoch)
        self._served[name, number] = served
        return served

    async def _opened(self, name: str, number: int) -> Partition:
        """One thread opens it, however many ask: opening waits for a process that is closing it."""
        key = name, number
        job = self._opening.get(key)
        if job is None:
            broker = self._broker
            job = self._opening[key] = broker.loop.run_in_executor(
                broker.threads, broker.directory.partition, name, number
            )
            job.add_done_callback(lambda _: self._opening.pop(key, None))
        # Who goes away meanwhile does not end it for the others.
        return await asyncio.shield(job)

    async def find(self, topic: str | bytes, number: int) -> Served | int:
        """The open partition, or Kafka's error code for why there is none."""
        name = self.name_of(topic)
        misled = self._broker.faults.take_wrong_leader()
        if misled:
            return misled
        if name is None:
            return UNKNOWN_TOPIC_ID
        try:
            return self.ready(name, number) or await self.open(name, number)
        except LogflumeError as error:
            return error.code

    def _admission(self, entry: TopicEntry) -> Admission:
        known = self._admissions.get(entry.name)
        if known is not None and known[0] is entry.config:
            return known[1]
        config = entry.config
        codec, level = codec_of(config.compression_type, config)
        made = Admission(
            config.max_message_bytes,
            before_max_ms=config.message_timestamp_before_max_ms,
            after_max_ms=config.message_timestamp_after_max_ms,
            max_decompressed_bytes=self._broker.directory.config.max_decompressed_bytes,
            keys_required="compact" in config.cleanup_policy,
            append_time=config.message_timestamp_type == "LogAppendTime",
            codec=-1 if config.compression_type == "producer" else codec,
            level=level,
        )
        self._admissions[entry.name] = (config, made)
        return made
