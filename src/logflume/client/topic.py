"""One topic: its partitions by number."""

from __future__ import annotations

from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from logflume._native.partition import Partition
    from logflume.client.engine import Engine
    from logflume.client.scan import Bounds, Scan, Time
    from logflume.config.topic import TopicConfig

__all__ = ["Topic"]


class Topic:
    """`log["clicks"]`: a sequence of partitions, opened when first used. Thread-safe."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self.name = name

    @property
    def config(self) -> TopicConfig:
        """The topic's settings."""
        return self._engine.topic(self.name).config

    @property
    def topic_id(self) -> str | None:
        """Kafka's topic id, 22 characters; None for a topic found without one."""
        return self._engine.topic(self.name).topic_id

    def __len__(self) -> int:
        return self._engine.topic(self.name).partitions

    def __getitem__(self, number: int) -> Partition:
        found: Partition = self._engine.partition(self.name, number)
        return found

    def __iter__(self) -> Iterator[Partition]:
        return iter(self._engine.partitions(self.name))

    def scan(
        self,
        columns: Iterable[str] | None = None,
        *,
        partitions: Iterable[int] | None = None,
        offsets: Bounds | Mapping[int, Bounds] | None = None,
        start: Time | None = None,
        end: Time | None = None,
        lateness_ms: int | None = None,
        isolation_level: str = "read_uncommitted",
        batch_bytes: int = 4 << 20,
    ) -> Scan:
        """The records in a window, lazily, for Arrow, DuckDB and Polars; only what is in the window is read.

        Parameters: `columns`, names in the order wanted (topic, partition, offset, timestamp, key, value, headers;
        default all); `partitions`, numbers (default all); `offsets`, a range or a pair `(first, stop)` of which
        each may be None, for all partitions or `{partition: pair}`; `start` and `end`, times in ms or datetimes
        with a time zone: records with `start <= timestamp < end`, wherever they lie. What lies behind `end` is read
        once for its lowest times, which are kept in a file; later scans leave out what has none below `end`.
        `lateness_ms` spares that: reading a partition then stops at its first record at or after
        `end + lateness_ms`, and what was written behind that with an older timestamp is not seen.
        `isolation_level`, read_uncommitted or read_committed: records of decided transactions only, up to the last
        stable offsets of one moment. `batch_bytes`, about what is read at a time.
        Raises InvalidConfig, UnknownTopicOrPartition.
        """
        from logflume.client.directory_engine import directory_of, stable_ends_of
        from logflume.client.scan import Scan

        return Scan(
            directory_of(
                self._engine, "scan()", "poll_batch(), or a directory that mirrors the topic"
            ),
            self.name,
            columns=columns,
            partitions=partitions,
            offsets=offsets,
            start=start,
            end=end,
            lateness_ms=lateness_ms,
            isolation_level=isolation_level,
            stable_ends=stable_ends_of(self._engine),
            batch_bytes=batch_bytes,
        )

    def __repr__(self) -> str:
        try:
            return f"<Topic {self.name}, {len(self)} partitions>"
        except (
            LogflumeError
        ):  # closed, or deleted by now: what is looked at by a debugger raises nothing
            return f"<Topic {self.name}>"
