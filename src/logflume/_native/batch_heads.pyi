from typing import final

from logflume._native.partition_log import PartitionLog

__all__ = ["BatchHeads"]

@final
class BatchHeads:
    def __init__(self, log: PartitionLog, offset: int) -> None: ...
    def seek(self, offset: int) -> None: ...
    def take(self, stop: int) -> list[tuple[int, int, int, int]]: ...
