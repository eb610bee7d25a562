from collections.abc import Callable, Iterable
from os import PathLike
from typing import final

from logflume._native.partition_log import PartitionLog

__all__ = ["TransactionPage", "complete", "extents", "may_have_open", "reserve"]

@final
class TransactionPage:
    def __init__(
        self,
        path: str | bytes | PathLike[str],
        lock_fd: int,
        *,
        recover: Callable[[], object] | None = None,
        timeout: float = 30.0,
    ) -> None: ...
    def lock(self, timeout: float = 30.0) -> bool: ...
    def unlock(self) -> None: ...
    def settled(self) -> None: ...
    @property
    def sequence(self) -> int: ...
    @property
    def held(self) -> bool: ...
    @held.setter
    def held(self, value: bool) -> None: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    def abandon(self) -> None: ...

def complete(
    page: TransactionPage | None,
    partitions: Iterable[PartitionLog],
    *,
    producer_id: int,
    producer_epoch: int,
    coordinator_epoch: int = 0,
    commit: bool,
    holds: Iterable[tuple[PartitionLog, int | None]] = (),
    held_table: int = 0,
) -> list[int]: ...
def reserve(partitions: Iterable[PartitionLog]) -> None: ...
def extents(
    partitions: Iterable[PartitionLog], producer_id: int
) -> list[tuple[int | None, int | None, int | None, int | None]]: ...
def may_have_open(path: str) -> bool: ...
