"""A Kafka cluster as an engine: topics, partitions, and the parts of producers and consumers."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

from logflume.client.cluster.address import parse_address
from logflume.client.cluster.failures import Fail, failure
from logflume.client.cluster.library import librdkafka
from logflume.config import ConsumerConfig, ProducerConfig, check_partitions, check_topic, parse
from logflume.config.names import INTERNAL_TOPICS
from logflume.config.topic import TopicConfig
from logflume.errors import (
    Closed,
    ClusterUnreachable,
    Timeout,
    UnknownTopicOrPartition,
)
from logflume.types import OffsetAndMetadata, PartitionReport, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from typing import Any, TypeVar

    from logflume._native.rdkafka import Librdkafka
    from logflume._native.rdkafka_consumer import ConsumerHandle
    from logflume.client.cluster.admin import Admin
    from logflume.client.cluster.assignment import ClusterAssignment
    from logflume.client.cluster.partition import ClusterPartition
    from logflume.client.cluster.producing import ClusterProducerCore
    from logflume.client.cluster.queueing import ClusterQueue
    from logflume.client.cluster.reading import Readers
    from logflume.client.cluster.subscription import ClusterSubscription
    from logflume.config import QueueConfig
    from logflume.config.option import Config

    C = TypeVar("C", bound=Config)
    Made = tuple[Librdkafka, Fail, Callable[[int, str, str], None], Callable[[int, str], None]]

__all__ = ["Cluster", "TopicOfCluster"]

_LOOK_PAUSE_S = 0.02
_ADDRESS = "is the connection's: logflume.open(address, option=…) or kafka://host:port?option=…"


class TopicOfCluster:
    """A topic; what is asked of the cluster beyond its number of partitions is asked for when it is used."""

    def __init__(self, cluster: Cluster, name: str, partitions: int) -> None:
        self._cluster = cluster
        self.name = name
        self.partitions = partitions

    @property
    def topic_id(self) -> str | None:
        """Kafka's topic id, 22 characters."""
        return self._cluster.admin.topic_id(self.name)

    @property
    def config(self) -> TopicConfig:
        """The settings that differ from the cluster's own."""
        return self._cluster.admin.topic_config(self.name)

    def __repr__(self) -> str:
        return f"<topic {self.name} of {self._cluster.path}, {self.partitions} partitions>"


class Cluster:
    """See client.engine.Engine. Connects when it is first asked something.

    A forked child has no connection: its copy is closed.
    """

    is_remote = True

    def __init__(self, address: str, options: Mapping[str, object]) -> None:
        self._address = parse_address(address, options)
        self._library = librdkafka()
        self._library.check(self._address.options)
        self._mutex = threading.Lock()
        self._admin: Admin | None = None
        self._readers: dict[str, Readers] = {}
        self._appender: ClusterProducerCore | None = None
        self._partitions: dict[tuple[str, int], ClusterPartition] = {}
        self._closed = False
        self._reached = False
        self._apis: frozenset[int] | None = None

    # ---- connections

    @property
    def path(self) -> str:
        """The address, without options."""
        return self._address.path

    @property
    def closed(self) -> bool:
        """True after close()."""
        return self._closed

    def settings(self, own: Mapping[str, str]) -> dict[str, str]:
        """librdkafka's settings of one connection: the address's options, then its own."""
        return {
            "bootstrap.servers": self._address.servers,
            "client.id": "logflume",
            **self._address.options,
            **own,
        }

    @property
    def timeout_s(self) -> float:
        """How long calls that take no timeout of their own wait for the cluster."""
        return self._address.timeout_s

    def made(self, fail: Fail, note: Callable[[int, str], None] | None = None) -> Made:
        """What a native handle is given."""
        return (self._library, fail, _log, note or _note_error)

    def reach(self) -> None:
        """Return once a broker has answered, ever. Raises AuthenticationFailed at once, ClusterUnreachable, Timeout."""
        if not self._reached:
            from logflume.client.cluster.greeting import greet

            greet(self, self.timeout_s)
            self._reached = True

    @contextmanager
    def explained(self) -> Iterator[None]:
        """A block whose time-out is told with its cause, where there is one to be known."""
        self.reach()
        try:
            yield
        except (Timeout, ClusterUnreachable) as error:
            from logflume.client.cluster.greeting import cause_of_silence

            cause = cause_of_silence(self)
            if cause is not None:
                raise cause from error
            raise

    def offers(self, api: int) -> bool:
        """Whether its brokers take requests of this kind (Kafka's API key); True where that cannot be told."""
        if self._apis is None:
            from logflume.client.cluster.greeting import offered_apis

            with self.explained():
                self._apis = offered_apis(self)
        return api in self._apis or not self._apis

    @property
    def admin(self) -> Admin:
        """Kafka's verbs for topics."""
        self.reach()
        with self._mutex:
            self._check_open()
            if self._admin is None:
                from logflume.client.cluster.admin import Admin

                self._admin = Admin(self.settings({}))
            return self._admin

    @property
    def readers(self) -> Readers:
        """Connections for reading without a consumer."""
        return self._readers_of("read_uncommitted")

    @property
    def committed_readers(self) -> Readers:
        """As readers, which see decided transactions only."""
        return self._readers_of("read_committed")

    def _readers_of(self, isolation: str) -> Readers:
        with self._mutex:
            self._check_open()
            if isolation not in self._readers:
                from logflume.client.cluster.reading import Readers

                self._readers[isolation] = Readers(self, isolation)
            return self._readers[isolation]

    def _check_open(self) -> None:
        if self._closed:
            raise Closed(what=f"the log {self.path}")

    # ---- topics

    def topics(self, *, internal: bool = False) -> list[str]:
        """Names, sorted; internal ones only when asked for."""
        with self.explained(), self.readers.lend() as handle:
            found = handle.metadata(None, int(self.timeout_s * 1000))
        return sorted(name for name in found if internal or name not in INTERNAL_TOPICS)

    def topic(self, name: str) -> TopicOfCluster:
        """What there is to know of a topic. Raises UnknownTopicOrPartition."""
        with self.readers.lend() as handle:
            return TopicOfCluster(self, name, self.count_partitions(handle, name))

    def count_partitions(self, handle: Any, name: str) -> int:
        """Partitions of a topic, asked through a handle. Raises UnknownTopicOrPartition."""
        check_topic(name)
        with self.explained():
            code, rows = handle.metadata(name, int(self.timeout_s * 1000))[name]
        if code not in (0, 5):  # LEADER_NOT_AVAILABLE: made just now
            raise failure(code, self._library.error_text(code), topic=name)
        return len(rows)

    def create_topic(
        self,
        name: str,
        *,
        partitions: int | None = None,
        config: Mapping[str, object] | None = None,
    ) -> None:
        """Make a topic; returns when it can be written to."""
        check_topic(name)
        if partitions is not None:
            check_partitions(name, partitions)
        settings = parse(TopicConfig, config or {}, foreign=TopicConfig.foreign)
        self.admin.create_topic(name, partitions, settings.strings())
        self._wait(name, lambda rows: rows is not None and all(row[1] >= 0 for row in rows))

    def alter_topic(
        self,
        name: str,
        *,
        partitions: int | None = None,
        config: Mapping[str, object] | None = None,
    ) -> None:
        """Add partitions, or change settings (None sets one back)."""
        self.topic(name)
        if partitions is not None:
            check_partitions(name, partitions)
            self.admin.create_partitions(name, partitions)
            self._wait(
                name,
                lambda rows: (
                    rows is not None and len(rows) >= partitions and min(r[1] for r in rows) >= 0
                ),
            )
        if config:
            parsed = parse(TopicConfig, config, foreign=TopicConfig.foreign).strings()
            reset = [name for name, value in config.items() if value is None]
            self.admin.alter_topic_config(name, parsed, [n.replace("_", ".") for n in reset])

    def delete_topic(self, name: str) -> None:
        """Delete a topic; returns when the cluster does not show it any more."""
        self.topic(name)
        self.admin.delete_topic(name)
        self._wait(name, lambda rows: rows is None)
        with self._mutex:
            for where in [where for where in self._partitions if where[0] == name]:
                del self._partitions[where]

    def _wait(self, name: str, done: Callable[[Any], bool]) -> None:
        """Until the brokers' common picture of a topic (its partitions, None without it) is as it should be."""
        deadline = time.monotonic() + self.timeout_s
        with self.explained(), self.readers.lend() as handle:
            while True:
                code, rows = handle.metadata(name, int(self.timeout_s * 1000))[name]
                if done(None if code == UnknownTopicOrPartition.code else rows if not code else []):
                    return
                if time.monotonic() > deadline:
                    raise Timeout(what=f"topic {name!r} on all brokers", seconds=self.timeout_s)
                time.sleep(_LOOK_PAUSE_S)

    # ---- partitions

    def partition(self, topic: str, number: int) -> ClusterPartition:
        """Direct access to a partition. Raises UnknownTopicOrPartition."""
        from logflume.client.cluster.partition import ClusterPartition

        with self._mutex:
            self._check_open()
            found = self._partitions.get((topic, number))
        if found is None:
            if not 0 <= number < self.topic(topic).partitions:
                raise UnknownTopicOrPartition(topic=topic, partition=number)
            with self._mutex:
                found = self._partitions.setdefault(
                    (topic, number), ClusterPartition(self, topic, number)
                )
        return found

    def partitions(self, topic: str) -> Sequence[ClusterPartition]:
        """All partitions of a topic, by number."""
        return [self.partition(topic, number) for number in range(self.topic(topic).partitions)]

    @property
    def appender(self) -> ClusterProducerCore:
        """What partitions append through: acks=all, without linger."""
        with self._mutex:
            self._check_open()
            if self._appender is None:
                from logflume.client.cluster.producing import ClusterProducerCore

                config = parse(ProducerConfig, {"linger.ms": 0}, foreign={})
                self._appender = ClusterProducerCore(self, config)
            return self._appender

    def delete_records(self, topic: str, number: int, before: int) -> int:
        """Make `before` (-1: the end) the partition's first offset; returns the new start offset."""
        return self.admin.delete_records(topic, number, before)

    def committed_by_groups(
        self, topics: Collection[str]
    ) -> dict[str, dict[TopicPartition, OffsetAndMetadata]]:
        """What groups have committed for these topics; a group is seen when this user may describe it."""
        found = {}
        for group in self.admin.groups():
            places = [p for p in self.admin.committed_partitions(group) if p.topic in topics]
            if places:
                found[group] = self._committed(group, places)
        return found

    def _committed(
        self, group: str, places: list[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        """Offsets by the consumer's own call: confluent-kafka's answer to an administrator has no sound metadata."""
        handle = self.consumer_handle({"group.id": group}, Fail(group=group))
        try:
            rows = handle.committed(places, int(self.timeout_s * 1000))
        finally:
            handle.close()
        found = {}
        for topic, number, offset, code, metadata in rows:
            if code:
                raise failure(code, self._library.error_text(code), topic=topic, partition=number)
            if offset >= 0:
                found[TopicPartition(topic, number)] = OffsetAndMetadata(offset, metadata or "")
        return found

    def partition_reports(self) -> list[PartitionReport]:
        """Recovery is the brokers' own."""
        return []

    # ---- producers and consumers

    def parse(self, table: type[C], options: Mapping[str, object]) -> C:
        """As config.parse; connection options are refused with where to give them."""
        return parse(table, options, foreign=dict.fromkeys(table.foreign, _ADDRESS))

    def producer_core(
        self, config: ProducerConfig, wake: Callable[[], None]
    ) -> ClusterProducerCore:
        """What a producer sends through."""
        from logflume.client.cluster.producing import ClusterProducerCore

        self._check_open()
        return ClusterProducerCore(self, config)

    def consumer_handle(
        self,
        settings: Mapping[str, str],
        fail: Fail,
        note: Callable[[int, str], None] | None = None,
    ) -> ConsumerHandle:
        """A connection that fetches. `note` is told of troubles."""
        from logflume._native.rdkafka_consumer import ConsumerHandle

        self._check_open()
        return ConsumerHandle(self.settings(settings), self.made(fail, note))

    def assignment(self, config: ConsumerConfig) -> ClusterAssignment:
        """What a consumer reads."""
        from logflume.client.cluster.assignment import ClusterAssignment

        return ClusterAssignment(self, config)

    def queue_core(self, config: QueueConfig, topics: list[str]) -> ClusterQueue:
        """What a queue takes records from."""
        from logflume.client.cluster.queueing import ClusterQueue

        self._check_open()
        return ClusterQueue(self, config, topics)

    def subscription(
        self,
        config: ConsumerConfig,
        assignment: ClusterAssignment,
        give_back: Callable[[], None],
    ) -> ClusterSubscription:
        """What a consumer asked for."""
        from logflume.client.cluster.subscription import ClusterSubscription

        return ClusterSubscription(self, config, assignment, give_back)

    # ---- life

    def close(self) -> None:
        """Close what partitions used; producers and consumers were closed before. Idempotent."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
            appender, readers = self._appender, list(self._readers.values())
        if appender is not None:
            appender.close()
        for each in readers:
            each.close()


def _log(level: int, facility: str, text: str) -> None:
    """librdkafka's log lines, by syslog's levels; what breaks a call is told by an error besides."""
    from logflume.observe import get_logger

    logger = get_logger("logflume.kafka")
    say = logger.debug if level >= 6 else logger.info
    say("librdkafka", facility=facility, said=text)


def _note_error(code: int, text: str) -> None:
    """librdkafka's notes of trouble that it goes on trying to mend."""
    from logflume.observe import get_logger

    get_logger("logflume.kafka").info("cluster_trouble", code=code, said=text)
