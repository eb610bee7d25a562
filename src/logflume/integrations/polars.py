"""Topics as Polars LazyFrames: columns and filters go down into the log."""

from __future__ import annotations

import polars
from polars.io.plugins import register_io_source

from logflume._native.arrow_stream import export_stream
from logflume.integrations.polars_filter import window_of
from logflume.integrations.window import as_scan, narrowed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from logflume._native.columns import RecordBatch
    from logflume.client.scan import Scan
    from logflume.client.topic import Topic

__all__ = ["scan"]


class _Chosen:
    """Some columns of a batch, for whoever reads Arrow."""

    def __init__(self, batch: RecordBatch, columns: tuple[str, ...]) -> None:
        self.batch, self.columns = batch, columns

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return export_stream(self.batch, requested_schema, columns=self.columns)


def scan(source: Scan | Topic) -> polars.LazyFrame:
    """A LazyFrame over a Scan, or over the whole of a topic; each `collect` reads anew.

    Only the columns that the query uses are built. Comparisons of `partition`, `offset` and `timestamp` with
    constants, joined by `&` and `|`, `is_between`, cut the window that is read; for times see `lateness_ms` of
    `Topic.scan`. All other filters are applied to what was read.
    """
    base = as_scan(source)
    schema = dict(polars.DataFrame(base.narrowed(offsets=(0, 0))).schema)

    def frames(
        with_columns: list[str] | None,
        predicate: polars.Expr | None,
        n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[polars.DataFrame]:
        shown = list(base.columns) if with_columns is None else with_columns
        used = shown + [] if predicate is None else shown + predicate.meta.root_names()
        # A frame without columns has no height: the cheapest column stands in.
        cheapest = "offset" if "offset" in base.columns else base.columns[0]
        columns = list(dict.fromkeys(used)) or [cheapest]
        window = {} if predicate is None else window_of(predicate)
        left = n_rows
        for batch in narrowed(base, window, columns):
            frame = polars.DataFrame(_Chosen(batch, tuple(columns)))
            if left is not None:
                frame = frame.head(left)
                left -= frame.height
            if predicate is not None:
                frame = frame.filter(predicate)
            yield frame.select(shown) if shown else frame
            if left == 0:
                break

    return register_io_source(
        frames, schema=schema, explain_name="LOGFLUME", explain_detail=repr(base)
    )
