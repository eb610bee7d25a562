"""Events in columns: what sources hand to channels, and channels to sinks.

A Flume event is a body (bytes) and headers (text by name). A batch keeps its bodies as one column, and of
its headers those that all events share apart from those that differ: a file's name or a host costs nothing
per event.
"""

from __future__ import annotations

import itertools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from logflume._native.columns import ColumnView, RecordBatch
    from logflume._native.input_columns import ByteColumn, Packed
    from logflume._native.staging import SharedHeaders

    Bodies = list[bytes] | Packed | ByteColumn | ColumnView
    Column = Sequence[str | None]

__all__ = ["EventBatch"]


class EventBatch:
    """Bodies and headers of some events. Not changed once made: what changes something gives another batch.

    Parameters: `bodies`, a list of bytes, or a column of them (`Packed`, `Lines`, a RecordBatch's values); `common`,
    headers that every event has; `columns`, for each further header a value for each event, None where an event
    lacks it. A name is in one of the two only.
    """

    __slots__ = ("_columns", "_common", "_records", "bodies")

    def __init__(
        self,
        bodies: Bodies,
        common: Mapping[str, str] | None = None,
        columns: Mapping[str, Column] | None = None,
    ) -> None:
        self.bodies = bodies
        self._common: dict[str, str] = dict(common or {})
        self._columns: dict[str, Column] = dict(columns or {})
        self._records: RecordBatch | None = None

    @classmethod
    def from_records(cls, records: RecordBatch) -> EventBatch:
        """What a log holds: values are bodies, record headers are headers, read when somebody asks for them."""
        made = cls(records.values)
        made._records = records
        return made

    @classmethod
    def of_rows(cls, rows: Iterable[tuple[Mapping[str, str], bytes]]) -> EventBatch:
        """Of (headers, body) pairs."""
        headers, bodies = [], []
        for row_headers, body in rows:
            headers.append(row_headers)
            bodies.append(body)
        return cls(bodies, *_columns_of(headers))

    @classmethod
    def joined(cls, batches: Sequence[EventBatch]) -> EventBatch:
        """Several batches as one."""
        bodies = _joined_bodies([batch.bodies for batch in batches])
        first = batches[0]
        if all(not batch.columns and batch.common == first.common for batch in batches):
            return cls(bodies, first.common)
        return cls(bodies, *_columns_of([row for batch in batches for row in batch.rows()]))

    def __len__(self) -> int:
        return len(self.bodies)

    # ---- headers

    def _load(self) -> None:
        records, self._records = self._records, None
        if records is None or not len(records):
            return
        from logflume._native.lines import same_headers

        if same_headers(records):
            self._common = _decoded(records[0].headers)
        else:
            rows = [_decoded(record.headers) for record in records]
            self._common, self._columns = _columns_of(rows)

    @property
    def common(self) -> Mapping[str, str]:
        """Headers that every event has, with their value."""
        self._load()
        return self._common

    @property
    def columns(self) -> Mapping[str, Column]:
        """Headers that differ, each with one value (or None) an event."""
        self._load()
        return self._columns

    def header(self, name: str) -> Column:
        """One header of every event; None where it is missing."""
        if name in self.common:
            return [self._common[name]] * len(self)
        return self._columns.get(name) or [None] * len(self)

    def rows(self) -> list[dict[str, str]]:
        """Every event's headers."""
        common = self.common
        if not self._columns:
            return [dict(common)] * len(self)
        names = list(self._columns)
        return [
            {**common, **{n: v for n, v in zip(names, values, strict=True) if v is not None}}
            for values in zip(*self._columns.values(), strict=True)
        ]

    def append_headers(self) -> SharedHeaders | list[list[tuple[str, bytes]]] | None:
        """As `record_headers`, for an append to a directory: headers that all events share are encoded once."""
        if not self.columns and self._common:
            from logflume._native.staging import SharedHeaders

            return SharedHeaders([(n, v.encode()) for n, v in self._common.items()], len(self))
        return self.record_headers()

    def record_headers(self) -> list[list[tuple[str, bytes]]] | None:
        """The headers as a producer takes them, None when there are none. Events alike share one list."""
        shared = [(name, value.encode()) for name, value in self.common.items()]
        if not self._columns:
            return [shared] * len(self) if shared else None
        names = list(self._columns)
        made: dict[tuple[str | None, ...], list[tuple[str, bytes]]] = {}
        out = []
        for values in zip(*self._columns.values(), strict=True):
            pairs = made.get(values)
            if pairs is None:
                own = [(n, v.encode()) for n, v in zip(names, values, strict=True) if v is not None]
                pairs = made[values] = shared + own
            out.append(pairs)
        return out

    def with_header(self, name: str, value: str | Column, *, keep: bool = False) -> EventBatch:
        """One header set in all events: to a text, or to a value for each. `keep`: where it is missing only."""
        common, columns = dict(self.common), dict(self._columns)
        if keep and name in common:
            return self
        if keep and name in columns:
            new = [value] * len(self) if isinstance(value, str) else value
            merged = [
                old if old is not None else v for old, v in zip(columns[name], new, strict=True)
            ]
            return EventBatch(self.bodies, common, {**columns, name: merged})
        common.pop(name, None)
        columns.pop(name, None)
        if isinstance(value, str):
            common[name] = value
        else:
            columns[name] = value
        return EventBatch(self.bodies, common, columns)

    def without(self, names: Iterable[str]) -> EventBatch:
        """Without these headers."""
        gone = set(names)
        return EventBatch(
            self.bodies,
            {n: v for n, v in self.common.items() if n not in gone},
            {n: v for n, v in self._columns.items() if n not in gone},
        )

    # ---- bodies

    def body_list(self) -> list[bytes]:
        """The bodies as bytes objects; a null value of a log counts as empty."""
        bodies = self.bodies
        if isinstance(bodies, list):
            return bodies
        if hasattr(bodies, "tolist"):
            return [body or b"" for body in bodies.tolist()]
        data, ends = memoryview(bodies.data), bodies.offsets.tolist()
        return [bytes(data[a:b]) for a, b in itertools.pairwise(ends)]

    @property
    def nbytes(self) -> int:
        """Bytes of all bodies."""
        bodies = self.bodies
        if isinstance(bodies, list):
            return sum(map(len, bodies))
        if hasattr(bodies, "nbytes"):
            return int(bodies.nbytes)
        if hasattr(bodies, "offsets"):
            return int(bodies.offsets[-1]) - int(bodies.offsets[0])
        return sum(map(len, self.body_list()))

    def with_bodies(self, bodies: Bodies) -> EventBatch:
        """The same headers over other bodies, one for each event."""
        return EventBatch(bodies, self.common, self._columns)

    # ---- parts

    def __getitem__(self, part: slice) -> EventBatch:
        """A stretch of the events; `part` has step 1."""
        start, stop, _ = part.indices(len(self))
        if start == 0 and stop == len(self):
            return self
        columns = {name: values[start:stop] for name, values in self.columns.items()}
        bodies = self.bodies
        if hasattr(bodies, "iter_bytes"):
            bodies = self.body_list()
        return EventBatch(bodies[start:stop], self._common, columns)

    def select(self, indices: Sequence[int]) -> EventBatch:
        """The events at these indices, in that order."""
        if len(indices) == len(self):
            return self
        bodies = self.body_list()
        columns = {name: [values[i] for i in indices] for name, values in self.columns.items()}
        return EventBatch([bodies[i] for i in indices], self._common, columns)

    def __repr__(self) -> str:
        return f"<EventBatch: {len(self)} events, headers {[*self.common, *self._columns]}>"


def _joined_bodies(parts: Sequence[Bodies]) -> Bodies:
    from logflume._native.input_columns import Packed

    packed = [part for part in parts if isinstance(part, Packed)]
    if len(packed) == len(parts):
        return Packed.joined(packed)
    return [body for part in parts for body in EventBatch(part).body_list()]


def _decoded(pairs: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    return {n: "" if v is None else v.decode("utf-8", "replace") for n, v in pairs}


def _columns_of(rows: Sequence[Mapping[str, str]]) -> tuple[dict[str, str], dict[str, Column]]:
    """Headers of single events as those they share and those that differ."""
    if not rows:
        return {}, {}
    first = rows[0]
    if all(row is first or row == first for row in rows):
        return dict(first), {}
    common: dict[str, str] = {}
    columns: dict[str, Column] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        value = values[0]
        if value is not None and all(v == value for v in values):
            common[name] = value
        else:
            columns[name] = values
    return common, columns
