from collections.abc import Iterable
from typing import Any

from logflume._native.columns import RecordBatch

__all__ = ["COLUMN_NAMES", "export_column", "export_stream", "pyarrow_table"]

COLUMN_NAMES: tuple[str, ...]

def export_stream(
    batch: RecordBatch,
    requested_schema: object = None,
    *,
    columns: Iterable[str] | None = None,
    views: bool = True,
) -> object: ...
def export_column(
    batch: RecordBatch, is_key: bool, requested_schema: object = None
) -> tuple[object, object]: ...
def pyarrow_table(source: object) -> Any: ...
