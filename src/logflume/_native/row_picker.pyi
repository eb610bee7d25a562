from collections.abc import Sequence

from logflume._native.columns import Record, RecordBatch

__all__ = ["join_batches", "pick_rows"]

def pick_rows(records: Sequence[Record]) -> RecordBatch: ...
def join_batches(batches: Sequence[RecordBatch]) -> RecordBatch: ...
