"""Topics as pyarrow datasets: what DuckDB, and all that scans datasets, pushes its columns and filters into."""

from __future__ import annotations

import pyarrow
import pyarrow.dataset

from logflume._native.scan import export_batches, export_schema
from logflume.integrations.arrow_filter import mentions, window_of
from logflume.integrations.window import as_scan, narrowed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from logflume.client.scan import Scan
    from logflume.client.topic import Topic

__all__ = ["Dataset", "dataset"]


class _Copied:
    """A Scan for those who want `binary`, not views."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return export_batches(self.scan, columns=self.scan.columns, views=False)

    def __arrow_c_schema__(self) -> object:
        return export_schema(columns=self.scan.columns, views=False)


def dataset(source: Scan | Topic) -> Dataset:
    """A Scan, or the whole of a topic, as a dataset; each query reads anew.

        rows = dataset(log["clicks"])
        duckdb.sql('select count(*) from rows where "offset" between 1000 and 2000')

    Only the columns that the query uses are built. A filter on `partition`, `offset` and `timestamp` cuts the
    window that is read; for times see `lateness_ms` of `Topic.scan`. Keys and values come as `binary`, copied:
    neither pyarrow nor DuckDB filters views. Where nothing is to be pushed down, give DuckDB the Scan itself.
    """
    return Dataset(as_scan(source))


class Dataset(pyarrow.dataset.Dataset):  # type: ignore[misc] # pyarrow has no types
    """A pyarrow dataset over a Scan. It has a schema and scanners, no fragments."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._schema = pyarrow.schema(_Copied(scan))

    @property
    def schema(self) -> Any:
        """pyarrow.Schema of the columns."""
        return self._schema

    def scanner(
        self, columns: Any = None, filter: Any = None, **options: Any
    ) -> pyarrow.dataset.Scanner:
        """A pyarrow Scanner; `columns`, names or {name: expression}; `filter`, a pyarrow expression.

        `options` are those of pyarrow's scanners; those about files mean nothing here.
        """
        kept = {
            k: v for k, v in options.items() if k in ("batch_size", "use_threads", "memory_pool")
        }
        window = {} if filter is None else window_of(filter, self._schema, self._scan)
        used = self._used(columns, filter)
        scan = narrowed(self._scan, window, used)
        reader = pyarrow.RecordBatchReader.from_stream(_Copied(scan))
        return pyarrow.dataset.Scanner.from_batches(reader, columns=columns, filter=filter, **kept)

    def _used(self, columns: Any, filter: Any) -> list[str]:
        """The columns that have to be read for these columns and this filter."""
        if columns is None:
            return list(self._schema.names)
        expressions = [] if filter is None else [filter]
        named: Iterable[str] = columns
        if isinstance(columns, dict):
            expressions += columns.values()
            named = ()
        used = [
            name
            for name in self._schema.names
            if name in named or any(mentions(each, name, self._schema) for each in expressions)
        ]
        return used or ["offset" if "offset" in self._schema.names else self._schema.names[0]]

    def _no_fragments(self, *_args: Any, **_options: Any) -> Any:
        raise NotImplementedError(
            "a topic has no fragments: use scanner(), to_table() or to_batches()"
        )

    get_fragments = replace_schema = filter = join = join_asof = sort_by = _no_fragments

    @property
    def partition_expression(self) -> Any:
        """What is known of every row: nothing."""
        return pyarrow.compute.scalar(True)

    def __repr__(self) -> str:
        return f"<Dataset of {self._scan!r}>"
