"""What offsets and transactions need of a partition of their internal topic, and how both follow it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from logflume.errors import OffsetOutOfRange

__all__ = ["Batch", "InternalPartition", "Reader", "Record", "catch_up"]

READ_RECORDS_MAX = 100_000
READ_BYTES_MAX = 1 << 20


class Record(Protocol):
    """One of a batch."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> list[tuple[str, bytes | None]]: ...


class _Strings(Protocol):
    def tolist(self) -> list[bytes | None]: ...


class Batch(Protocol):
    """What was read at once."""

    def __len__(self) -> int: ...
    @property
    def keys(self) -> _Strings: ...
    @property
    def values(self) -> _Strings: ...
    def records(self) -> Sequence[Record]: ...


class Reader(Protocol):
    """A place in the partition."""

    @property
    def position(self) -> int: ...
    def seek(self, offset: int) -> None: ...
    def read(self, max_records: int = ..., max_bytes: int = ...) -> Batch: ...


class InternalPartition(Protocol):
    """`logflume._native.partition.Partition` is one; its opener closes it."""

    path: str

    @property
    def start_offset(self) -> int: ...
    @property
    def end_offset(self) -> int: ...
    def append_many(
        self,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None] | None = None,
        *,
        headers: Sequence[list[tuple[str, bytes]] | None] | None = ...,
        batch_bytes: int = ...,
        lock_timeout_s: float | None = ...,
    ) -> int: ...
    def sync(self, offset: int | None = None) -> None: ...
    def reader(self, offset: int | None = None) -> Reader: ...


def catch_up(log: InternalPartition, reader: Reader, take: Callable[[Batch, int], None]) -> None:
    """Have `take(batch, first)` take in what was appended since the last time, by whomever; `first` is the offset at
    which the batch was asked for. Raises what reading raises, and what `take` raises."""
    end = log.end_offset
    while (before := reader.position) < end:
        try:
            batch = reader.read(READ_RECORDS_MAX, READ_BYTES_MAX)
        except OffsetOutOfRange as error:
            # The log's start moved past us: what went is in memory, superseded, or written anew behind it.
            reader.seek(max(error.start_offset, before))
            if reader.position == before:
                raise
            continue
        take(batch, before)
        if reader.position == before:
            break
