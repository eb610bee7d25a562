from collections.abc import Sequence
from os import PathLike

from typing_extensions import Buffer

from logflume._native.input_columns import _Headers, _Strings, _Times
from logflume._native.staging import SharedHeaders
from logflume.types import PartitionReport, SegmentInfo

__all__ = ["PartitionLog", "arm_failpoints", "failpoint_names"]

def arm_failpoints(text: str | None) -> None: ...
def failpoint_names() -> list[str]: ...

class PartitionLog:
    topic: str
    partition: int
    path: str
    def __init__(
        self,
        path: str | bytes | PathLike[str],
        topic: str,
        partition: int,
        lock_fd: int,
        *,
        segment_bytes: int = ...,
        segment_ms: int = ...,
        index_interval_bytes: int = ...,
        segment_index_bytes: int = ...,
        max_message_bytes: int = ...,
        append_time: bool = False,
        allow_gaps: bool = False,
        read_only: bool = False,
        recovery_offset: int = 0,
        start_offset: int = -1,
        compression: int = 0,
        level: int = ...,
        max_decompressed_bytes: int = ...,
        lock_timeout: float = 30.0,
        producer_expiration_ms: int = 86_400_000,
        keys_required: bool = False,
    ) -> None: ...
    def configure(
        self,
        *,
        segment_bytes: int,
        segment_ms: int,
        index_interval_bytes: int,
        segment_index_bytes: int,
        max_message_bytes: int,
        append_time: bool,
        allow_gaps: bool,
        compression: int,
        level: int,
        keys_required: bool = False,
    ) -> None: ...
    def reopen_after_fork(self, lock_fd: int) -> None: ...
    def close(self) -> None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def gone(self) -> bool: ...
    @property
    def start_offset(self) -> int: ...
    @property
    def end_offset(self) -> int: ...
    @property
    def durable_offset(self) -> int: ...
    @property
    def recovery(self) -> PartitionReport: ...
    def append(
        self,
        value: Buffer | None,
        key: Buffer | None = None,
        headers: _Headers | None = None,
        timestamp: int | None = None,
    ) -> int: ...
    def append_many(
        self,
        values: _Strings,
        keys: _Strings | None = None,
        timestamps: _Times | None = None,
        headers: Sequence[_Headers | None] | SharedHeaders | None = None,
        *,
        batch_bytes: int = 65536,
        followed: bool = False,
        lock_timeout_s: float | None = None,
    ) -> int: ...
    def sync(self, offset: int | None = None) -> None: ...
    def roll(self) -> None: ...
    def trim(self) -> None: ...
    def set_start_offset(self, offset: int) -> None: ...
    def mark_deleted(self) -> None: ...
    def delete_old_segments(self) -> tuple[int, int]: ...
    def expire(self, now_ms: int, retention_ms: int, retention_bytes: int) -> tuple[int, int]: ...
    def segments(self) -> list[SegmentInfo]: ...
