from typing import final

from logflume._native.partition_log import PartitionLog

__all__ = ["Accumulator", "PendingBatch", "Upkeep"]

@final
class PendingBatch: ...

class Upkeep:
    acks: int

@final
class Accumulator:
    log: PartitionLog
    partition: int
    topic: str
    def __init__(self, core: Upkeep, log: PartitionLog, topic: str) -> None: ...
