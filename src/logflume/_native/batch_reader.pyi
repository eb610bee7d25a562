from typing import final

from logflume._native.batches import Batch
from logflume._native.partition_log import PartitionLog

__all__ = ["BatchReader", "RawBatches"]

@final
class RawBatches:
    view: memoryview
    size: int
    batch_count: int
    record_count: int
    base_offset: int
    end_offset: int
    def __len__(self) -> int: ...

@final
class BatchReader:
    log: PartitionLog
    def __init__(self, log: PartitionLog, offset: int, *, check_crcs: bool = True) -> None: ...
    @property
    def position(self) -> int: ...
    def __iter__(self) -> BatchReader: ...
    def __next__(self) -> Batch: ...
    def read(self, max_bytes: int = ...) -> RawBatches | None: ...
