from typing import final

from logflume._native.columns import RecordBatch
from logflume._native.partition_log import PartitionLog
from logflume.types import LogBatch

__all__ = ["PartitionReader"]

@final
class PartitionReader:
    log: PartitionLog
    read_committed: bool
    def __init__(
        self,
        log: PartitionLog,
        offset: int,
        *,
        check_crcs: bool = True,
        read_committed: bool = False,
    ) -> None: ...
    def next_batch(self) -> LogBatch | None: ...
    @property
    def position(self) -> int: ...
    def seek(self, offset: int) -> None: ...
    def seek_batch(self, offset: int) -> None: ...
    def read(self, max_records: int = ..., max_bytes: int = ...) -> RecordBatch: ...
    def seek_to_time(self, timestamp: int) -> tuple[int, int] | None: ...
