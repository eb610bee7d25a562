from numpy.typing import ArrayLike

from logflume._native.batch_reader import BatchReader
from logflume._native.columns import Record, RecordBatch
from logflume._native.partition_reader import PartitionReader
from logflume._native.partition_transactions import PartitionTransactions

__all__ = ["Partition"]

class Partition(PartitionTransactions):
    _lookup_cache_bytes: int

    def wait(
        self, offset: int, timeout: float | None = None, *, read_committed: bool = False
    ) -> bool: ...
    def read(self, offset: int) -> Record: ...
    def lookup(self, offsets: ArrayLike) -> RecordBatch: ...
    def reader(
        self, offset: int | None = None, *, read_committed: bool = False
    ) -> PartitionReader: ...
    def batches(self, offset: int | None = None, *, check_crcs: bool = True) -> BatchReader: ...
    def read_batch(
        self,
        offset: int,
        max_records: int = ...,
        max_bytes: int = ...,
        *,
        read_committed: bool = False,
    ) -> RecordBatch: ...
    def offset_for_time(self, timestamp: int) -> int | None: ...
