from collections.abc import Sequence

from logflume._native.columns import Record, RecordBatch

__all__ = ["pick_rows"]

def pick_rows(records: Sequence[Record]) -> RecordBatch: ...
