"""A stretch of a topic for analysis: chosen columns between two offsets and two times."""

from __future__ import annotations

from logflume._native.arrow_stream import COLUMN_NAMES, pyarrow_table
from logflume._native.scan import WindowReader, export_batches, export_schema
from logflume.client.low_times import low_times
from logflume.errors import InvalidConfig, UnknownTopicOrPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Any, TypeAlias

    from logflume._native.columns import RecordBatch
    from logflume._native.partition import Partition
    from logflume.log.directory import LogDirectory

    Bounds: TypeAlias = "tuple[int | None, int | None] | range"
    Time: TypeAlias = "int | datetime"
    StableEnds: TypeAlias = "Callable[[list[Partition]], list[int]]"

__all__ = ["Scan"]

_LEVELS = ("read_uncommitted", "read_committed")
_ROWS_MAX = 1 << 17  # of one batch, as many as an Arrow array holds


class Scan:
    """Records of a topic, read when iterated over or handed to an Arrow consumer, each time anew.

    It ends where the partitions end when reading begins. Nothing outside the window is read: where it begins and
    stops is looked up in the indexes. Partitions come one after the other, each in offset order. Immutable,
    so safe to share between threads; it has no resources to close.
    """

    def __init__(
        self,
        directory: LogDirectory,
        topic: str,
        *,
        columns: Iterable[str] | None = None,
        partitions: Iterable[int] | None = None,
        offsets: Bounds | Mapping[int, Bounds] | None = None,
        start: Time | None = None,
        end: Time | None = None,
        lateness_ms: int | None = None,
        isolation_level: str = "read_uncommitted",
        stable_ends: StableEnds | None = None,
        batch_bytes: int = 4 << 20,
    ) -> None:
        """See `Topic.scan`. `stable_ends`: the last stable offsets of these partitions, of one moment; needed for
        read_committed."""
        self._directory = directory
        self.topic = topic
        self.columns = COLUMN_NAMES if columns is None else tuple(columns)
        export_schema(columns=self.columns)  # refuses what is no column
        count = directory.topic(topic).partitions
        self.partitions = tuple(range(count) if partitions is None else partitions)
        for number in self.partitions:
            if not 0 <= number < count:
                raise UnknownTopicOrPartition(topic=topic, partition=number)
        given = offsets if hasattr(offsets, "items") else dict.fromkeys(self.partitions, offsets)
        self._offsets: dict[int, tuple[int | None, int | None]] = {
            number: _bounds(each)
            for number, each in given.items()  # type: ignore[union-attr] # a mapping
        }
        self.start_ms = None if start is None else _milliseconds("start", start)
        self.end_ms = None if end is None else _milliseconds("end", end)
        if lateness_ms is not None and lateness_ms < 0:
            raise InvalidConfig(name="lateness_ms", value=lateness_ms, reason="expected 0 or more")
        self.lateness_ms = lateness_ms
        if isolation_level not in _LEVELS:
            raise InvalidConfig(
                name="isolation_level",
                value=isolation_level,
                reason=f"expected {' or '.join(_LEVELS)}",
            )
        self.isolation_level = isolation_level
        self._stable_ends = stable_ends
        self.batch_bytes = batch_bytes

    def narrowed(
        self,
        *,
        columns: Iterable[str] | None = None,
        partitions: Iterable[int] | None = None,
        offsets: Bounds | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> Scan:
        """The same with other columns, and only what is in both windows. For those who push filters down."""
        kept = (
            self.partitions
            if partitions is None
            else tuple(p for p in self.partitions if p in set(partitions))
        )
        low, high = _bounds(offsets)
        return Scan(
            self._directory,
            self.topic,
            columns=self.columns if columns is None else columns,
            partitions=kept,
            offsets={
                number: (_later(first, low), _earlier(stop, high))
                for number in kept
                for first, stop in [self._offsets.get(number, (None, None))]
            },
            start=_later(self.start_ms, start_ms),
            end=_earlier(self.end_ms, end_ms),
            lateness_ms=self.lateness_ms,
            isolation_level=self.isolation_level,
            stable_ends=self._stable_ends,
            batch_bytes=self.batch_bytes,
        )

    def window(self, partition: int) -> range:
        """From the first to the last of the offsets that reading this partition would go over now."""
        (end,) = self._ends([partition])
        windows = self._windows(partition, end)
        return range(windows[0].start, windows[-1].stop)

    def _ends(self, numbers: Sequence[int]) -> list[int]:
        """Where the partitions end now; those that are read committed all at one moment."""
        partitions = [self._directory.partition(self.topic, number) for number in numbers]
        if self.isolation_level == "read_committed" and self._stable_ends is not None:
            return self._stable_ends(partitions)
        return [partition.end_offset for partition in partitions]

    def _windows(self, number: int, end: int) -> list[range]:
        """The offsets to read of a partition that ends at `end`, in order; at least one range, which may be empty."""
        partition = self._directory.partition(self.topic, number)
        low, high = self._offsets.get(number, (None, None))
        first = max(partition.start_offset, low or 0)
        stop = end if high is None else min(end, high)
        reader = partition.reader()
        if self.start_ms is not None:
            begin = reader.seek_to_time(self.start_ms)
            first = stop if begin is None else max(first, begin[0])
        if self.end_ms is None:
            return [range(first, max(first, stop))]
        found = reader.seek_to_time(self.end_ms + (self.lateness_ms or 0))
        behind = stop if found is None else max(first, min(stop, found[0]))
        windows = [range(first, max(first, behind))]
        if self.lateness_ms is not None or behind >= stop:
            return windows
        for late in low_times(partition).below(partition, behind, stop, self.end_ms):
            if late.start == windows[-1].stop:
                windows[-1] = range(windows[-1].start, late.stop)
            else:
                windows.append(late)
        return windows

    def _read(self, number: int, end: int) -> Iterator[RecordBatch]:
        committed = self.isolation_level == "read_committed"
        for offsets in filter(None, self._windows(number, end)):
            partition = self._directory.partition(self.topic, number)
            reader = partition.reader(offsets.start, read_committed=committed)
            window = WindowReader(reader, offsets.stop, self.start_ms, self.end_ms)
            while (batch := window.read(_ROWS_MAX, self.batch_bytes)) is not None:
                yield batch

    def __iter__(self) -> Iterator[RecordBatch]:
        """The batches, never empty ones; a batch has all its columns. Raises CorruptRecord, OffsetOutOfRange
        (retention was faster), UnsupportedCompression, DecompressionTooLarge, Timeout (a commit stays half
        published)."""
        for number, end in zip(self.partitions, self._ends(self.partitions), strict=True):
            yield from self._read(number, end)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Arrow PyCapsule interface: one pass over the window, batch after batch as the consumer asks."""
        return export_batches(self, requested_schema, columns=self.columns)

    def __arrow_c_schema__(self) -> object:
        """Arrow PyCapsule interface: names and types of the columns."""
        return export_schema(columns=self.columns)

    def to_arrow(self) -> Any:
        """A pyarrow.Table of the window: keys and values point into the log. Raises as iterating, and MissingExtra."""
        return _Pass(self).into(pyarrow_table)

    def to_polars(self) -> Any:
        """A polars.DataFrame of the window (needs polars); `integrations.polars.scan` is the lazy way. Raises as
        iterating."""
        import polars

        return _Pass(self).into(polars.DataFrame)

    def __repr__(self) -> str:
        said = [
            f"{self.topic}, partitions {list(self.partitions)}",
            f"columns {list(self.columns)}",
        ]
        if any(bounds != (None, None) for bounds in self._offsets.values()):
            said.append(f"offsets {self._offsets}")
        if self.start_ms is not None or self.end_ms is not None:
            said.append(f"times {self.start_ms} to {self.end_ms}")
        return f"<Scan of {', '.join(said)}>"


class _Pass:
    """One pass whose failure comes as the error it was: through Arrow's C interface only its text comes."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._failure: Exception | None = None

    def _batches(self) -> Iterator[RecordBatch]:
        try:
            yield from self._scan
        except Exception as error:  # raised again in into()
            self._failure = error
            raise

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return export_batches(self._batches(), requested_schema, columns=self._scan.columns)

    def into(self, make: Callable[[Any], Any]) -> Any:
        """What `make` makes of the stream."""
        try:
            return make(self)
        except Exception as error:
            if self._failure is None:
                raise
            raise self._failure from error


def _bounds(given: Bounds | None) -> tuple[int | None, int | None]:
    if given is None:
        return None, None
    if isinstance(given, range):
        if given.step != 1:
            raise InvalidConfig(
                name="offsets", value=given, reason="a range with steps is no window"
            )
        return given.start, given.stop
    first, stop = given
    if (first is not None and first < 0) or (stop is not None and stop < 0):
        raise InvalidConfig(name="offsets", value=given, reason="offsets begin with 0")
    return first, stop


def _milliseconds(name: str, given: Time) -> int:
    """Since 1970, UTC."""
    if isinstance(given, int):
        return given
    if given.tzinfo is None:
        raise InvalidConfig(
            name=name, value=given, reason="a time without a time zone could be any"
        )
    seconds, rest = divmod(given.timestamp(), 1)
    return int(seconds) * 1000 + round(rest * 1000)


def _later(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else max(a, b)


def _earlier(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else min(a, b)
