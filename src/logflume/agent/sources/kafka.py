"""Events out of Kafka's topics."""

from __future__ import annotations

import re

from logflume.agent.events import EventBatch
from logflume.agent.java_regex import Regex
from logflume.agent.kafka.config import KafkaConfig
from logflume.agent.kafka.events import events_of
from logflume.agent.kafka.properties import address_of
from logflume.agent.kafka.undecodable import events_or_aside
from logflume.agent.options import Words, family, setting
from logflume.agent.registry import source
from logflume.agent.sources.records import RecordSource
from logflume.client.log import open_log
from logflume.config.kinds import Bool, Duration, Int, Text
from logflume.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from re import Pattern

    from logflume._native.columns import RecordBatch
    from logflume.client.log import Log

__all__ = ["KafkaSource", "KafkaSourceConfig"]


class KafkaSourceConfig(KafkaConfig, table="Kafka source"):
    """Flume guide, "Kafka Source"."""

    topics: tuple[str, ...] = setting(
        "kafka.topics", (), Words(","), doc="Topics to read.", also=("topic",)
    )
    topics_regex: re.Pattern[str] | str | None = setting(
        "kafka.topics.regex",
        None,
        Regex(),
        doc="Or a pattern of their names; new topics that match it are read, too.",
    )
    group: str = setting(
        "kafka.consumer.group.id", "flume", Text(), doc="The consumer group.", also=("groupId",)
    )
    batch_size: int = setting("batchSize", 1000, Int(min=1), doc="Events of a transaction.")
    batch_duration: int = setting(
        "batchDurationMillis",
        1000,
        Duration(min=1),
        doc="Longest time in which a batch is gathered. What has come is handed on when nothing more comes.",
    )
    use_flume_event_format: bool = setting(
        "useFlumeEventFormat",
        False,
        Bool(),
        doc="Records are Flume events in Avro, as a Kafka sink writes them with the same property.",
    )
    set_topic_header: bool = setting(
        "setTopicHeader", True, Bool(), doc="A header with the topic's name."
    )
    topic_header: str = setting("topicHeader", "topic", Text(), doc="That header's name.")
    headers: dict[str, str] = family(
        "header.", doc="A header for each: its value is that of the record header named here."
    )

    def check_component(self) -> None:
        super().check_component()
        if bool(self.topics) == (self.topics_regex is not None):
            raise InvalidConfig(
                name="kafka.topics",
                value=",".join(self.topics) or None,
                reason="or kafka.topics.regex must be given, and not both",
            )


@source("org.apache.flume.source.kafka.KafkaSource")
class KafkaSource(RecordSource):
    """A member of a consumer group. Headers: topic, partition, offset, timestamp, and key where a record has one.

    With a file channel each record is taken once: its offset is stored in the events' transaction.
    """

    Config = KafkaSourceConfig
    _log: Log | None = None

    def setup(self) -> None:
        self.group = self.config.group
        self.batch_s = self.config.batch_duration / 1000

    def open_log(self) -> Log:
        if self._log is None:
            address = address_of(self.config.bootstrap_servers)
            self._log = open_log(address, **self.config.clients().connection)
        return self._log

    def consumer_options(self) -> dict[str, object]:
        return dict(self.config.clients().consumer)

    def topics(self) -> str | Iterable[str] | Pattern[str]:
        if self.config.topics_regex is None:
            return list(self.config.topics)
        return re.compile(rf"\A(?:{re.compile(self.config.topics_regex).pattern})\Z")

    def events(self, records: RecordBatch) -> EventBatch:
        return events_or_aside(records, self._events, self.put_aside)

    def _events(self, records: RecordBatch) -> EventBatch:
        return events_of(
            records,
            topic_header=self.config.topic_header if self.config.set_topic_header else None,
            in_avro=self.config.use_flume_event_format,
            mapped=self.config.headers,
        )

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None
