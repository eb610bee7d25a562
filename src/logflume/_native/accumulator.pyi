from typing import final

from logflume._native.partition import Partition
from logflume._native.partition_log import PartitionLog

__all__ = ["Accumulator", "PendingBatch", "Upkeep"]

@final
class PendingBatch: ...

class Upkeep:
    acks: int
    producer_id: int
    producer_epoch: int
    transactional_id: str | None
    def identify(self, producer_id: int, epoch: int) -> None: ...
    def begin(self, redo_bytes_max: int) -> None: ...
    def settle(
        self, error: Exception | None = None
    ) -> tuple[
        list[tuple[str, Partition, int, int, list[tuple[int, bytes]] | None]], Exception | None
    ]: ...

@final
class Accumulator:
    log: PartitionLog
    partition: int
    topic: str
    def __init__(self, core: Upkeep, log: PartitionLog, topic: str) -> None: ...
