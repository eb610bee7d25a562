"""What a pyarrow filter says about partition, offset and time.

pyarrow's expressions cannot be looked into. But it decides which files of a partitioned dataset a filter can match,
given a statement about each; asked about intervals, that finds the bounds of any expression. The files are never
opened, there are none.
"""

from __future__ import annotations

import pyarrow
import pyarrow.dataset
import pyarrow.fs

from logflume.integrations.window import AXES, Interval, Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.client.scan import Scan

__all__ = ["mentions", "window_of"]

_PARTS = 16  # into which an interval is cut at each step of the search for bounds
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_FORMAT = pyarrow.dataset.ParquetFileFormat()
_NOWHERE = pyarrow.fs.LocalFileSystem()


def _survivors(filter: Any, guarantees: list[Any], schema: Any) -> list[int]:
    """Which of these statements about a row leave the filter a chance."""
    fragments = [
        _FORMAT.make_fragment(str(i), filesystem=_NOWHERE, partition_expression=each)
        for i, each in enumerate(guarantees)
    ]
    files = pyarrow.dataset.FileSystemDataset(fragments, schema, _FORMAT, _NOWHERE)
    return [int(fragment.path) for fragment in files.get_fragments(filter=filter)]


def mentions(expression: Any, name: str, schema: Any) -> bool:
    """Whether the expression needs the column: without it, it has no meaning."""
    others = pyarrow.schema([field for field in schema if field.name != name])
    try:
        _survivors(expression, [pyarrow.compute.scalar(True)], others)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, pyarrow.ArrowTypeError):
        return True
    return False


def window_of(filter: Any, schema: Any, scan: Scan) -> Window:
    """The intervals in which every row that passes lies, found by asking pyarrow about smaller and smaller ones."""
    window: Window = {}
    for axis in AXES:
        if axis not in schema.names or not mentions(filter, axis, schema):
            continue
        field = pyarrow.compute.field(axis)
        # A row without a time passes where only null does: no interval holds it.
        if schema.field(axis).nullable and _survivors(filter, [field.is_null()], schema):
            continue
        low, high = (0, max(scan.partitions, default=0)) if axis == "partition" else (0, _INT64_MAX)
        if axis == "timestamp":
            low = _INT64_MIN
        first, last = (_end(filter, axis, low, high, schema, side) for side in (0, -1))
        if first is None or last is None:
            window[axis] = Interval(0, 0)
        else:
            window[axis] = Interval(
                None if first == low else first, None if last == high else last + 1
            )
    return window


def _end(filter: Any, axis: str, low: int, high: int, schema: Any, side: int) -> int | None:
    """The lowest (`side` 0) or highest (-1) number for which the filter has a chance; None: there is none."""
    field, kind = pyarrow.compute.field(axis), schema.field(axis).type
    while True:
        step = max(1, (high - low) // _PARTS)
        spans = [(a, min(a + step - 1, high)) for a in range(low, high + 1, step)]
        guarantees = [
            (field >= pyarrow.scalar(a, kind)) & (field <= pyarrow.scalar(b, kind))
            for a, b in spans
        ]
        found = _survivors(filter, guarantees, schema)
        if not found:
            return None
        low, high = spans[sorted(found)[side]]
        if low == high:
            return low
