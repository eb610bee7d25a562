from logflume._native.partition_log import PartitionLog
from logflume.types import CompactionPass

__all__ = ["compact_once", "first_timestamp"]

def compact_once(
    log: PartitionLog,
    *,
    first_dirty: int,
    uncleanable: int,
    now_ms: int,
    delete_retention_ms: int,
    map_bytes: int,
    producer_expiration_ms: int = 86_400_000,
) -> CompactionPass | None: ...
def first_timestamp(log: PartitionLog, offset: int) -> int: ...
