"""Events out of the topics of a logflume directory."""

from __future__ import annotations

import re

from logflume.agent.events import EventBatch
from logflume.agent.options import ComponentConfig, Words, needed, setting
from logflume.agent.registry import source
from logflume.agent.sources.records import RecordSource
from logflume.config.kinds import Bool, Choice, Duration, Int, Text
from logflume.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from re import Pattern

    from logflume._native.columns import RecordBatch
    from logflume.client.log import Log

__all__ = ["TopicSource", "TopicSourceConfig"]


class TopicSourceConfig(ComponentConfig, table="logflume source"):
    """A source of our own: no page of Flume's."""

    directory: str = needed("directory", Text(), doc="The log directory.")
    topics: tuple[str, ...] = setting(
        "topics", (), Words(","), doc="Topics to read.", also=("topic",), origin="logflume"
    )
    topics_regex: str | None = setting(
        "topics.regex", None, Text(), doc="Or a pattern of their names.", origin="logflume"
    )
    group: str = setting("group", "agent", Text(), doc="The consumer group.", origin="logflume")
    start: str = setting(
        "start",
        "earliest",
        Choice("earliest", "latest"),
        doc="Where a group without a stored position begins.",
        origin="logflume",
    )
    isolation: str = setting(
        "isolation.level",
        "read_committed",
        Choice("read_uncommitted", "read_committed"),
        doc="Whether records of open and aborted transactions are read.",
        origin="logflume",
    )
    batch_size: int = setting(
        "batchSize", 1000, Int(min=1), doc="Events of a transaction.", origin="logflume"
    )
    batch_duration: int = setting(
        "batchDurationMillis",
        1000,
        Duration(min=1),
        doc="Longest time in which a batch is gathered.",
        origin="logflume",
    )
    key_header: str | None = setting(
        "keyHeader", "key", Text(), doc="The header for a record's key.", origin="logflume"
    )
    place_headers: bool = setting(
        "placeHeaders",
        False,
        Bool(),
        doc="Headers `topic`, `partition`, `offset` and `timestamp`, too.",
        origin="logflume",
    )

    def check_component(self) -> None:
        if bool(self.topics) == (self.topics_regex is not None):
            raise InvalidConfig(
                name="topics",
                value=",".join(self.topics) or None,
                reason="or topics.regex must be given, and not both",
            )
        if self.topics_regex is not None:
            try:
                re.compile(self.topics_regex)
            except re.error as error:
                raise InvalidConfig(
                    name="topics.regex", value=self.topics_regex, reason=f"is no pattern: {error}"
                ) from None


@source("logflume")
class TopicSource(RecordSource):
    """A member of a consumer group. Values are bodies, record headers are headers.

    With a file channel each record is taken once: its offset is stored in the events' transaction.
    """

    Config = TopicSourceConfig

    def setup(self) -> None:
        self.group = self.config.group
        self.batch_s = self.config.batch_duration / 1000

    def open_log(self) -> Log:
        return self.context.stores.open(self.config.directory).log

    def consumer_options(self) -> dict[str, object]:
        return {
            "auto_offset_reset": self.config.start,
            "isolation_level": self.config.isolation,
        }

    def topics(self) -> str | Iterable[str] | Pattern[str]:
        if self.config.topics_regex is None:
            return list(self.config.topics)
        return re.compile(rf"\A(?:{self.config.topics_regex})\Z")

    def events(self, records: RecordBatch) -> EventBatch:
        batch = EventBatch.from_records(records)
        name = self.config.key_header
        keys = records.keys.tolist() if name is not None else []
        if name is not None and any(key is not None for key in keys):
            column = [None if key is None else key.decode("utf-8", "replace") for key in keys]
            batch = batch.with_header(name, column)
        if self.config.place_headers:
            for header, values in (
                ("topic", records.row_topics),
                ("partition", [str(n) for n in records.partitions.tolist()]),
                ("offset", [str(n) for n in records.offsets.tolist()]),
                ("timestamp", [str(n) for n in records.timestamps.tolist()]),
            ):
                batch = batch.with_header(header, values)
        return batch
