from logflume._native.partition_log import PartitionLog

__all__ = ["wait_any"]

def wait_any(pairs: list[tuple[PartitionLog, int]], timeout: float, spin_us: int = 0) -> bool: ...
