from collections.abc import Iterable
from typing import final

from logflume._native.columns import RecordBatch
from logflume._native.partition_reader import PartitionReader

__all__ = ["WindowReader", "export_batches", "export_schema"]

@final
class WindowReader:
    reader: PartitionReader
    def __init__(
        self,
        reader: PartitionReader,
        stop_offset: int,
        start_ms: int | None = None,
        stop_ms: int | None = None,
    ) -> None: ...
    def read(self, max_records: int = ..., max_bytes: int = ...) -> RecordBatch | None: ...

def export_batches(
    batches: Iterable[RecordBatch],
    requested_schema: object = None,
    *,
    columns: Iterable[str] | None = None,
    views: bool = True,
) -> object: ...
def export_schema(*, columns: Iterable[str] | None = None, views: bool = True) -> object: ...
