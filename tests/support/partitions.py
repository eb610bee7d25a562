"""Partitions in temporary directories, each handle with a lock descriptor of its own, as a process has it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from logflume._native.partition import Partition

Headers = tuple[tuple[str, bytes | None], ...]


class Row(NamedTuple):
    """A record as a test compares it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Handle:
    """A partition opened with its own descriptor of the directory's lock file: what another process would have."""

    def __init__(self, directory: Path, *, name: str = "t-0", **settings: Any) -> None:
        directory.joinpath(name).mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.path = directory / name
        self.lock_fd = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT)
        try:
            topic, _, number = name.rpartition("-")
            self.log = Partition(self.path, topic, int(number), self.lock_fd, **settings)
        except BaseException:
            os.close(self.lock_fd)
            raise

    def close(self) -> None:
        try:
            self.log.close()
        finally:
            if self.lock_fd >= 0:
                os.close(self.lock_fd)
            self.lock_fd = -1


@contextmanager
def opened(directory: Path, **settings: Any) -> Iterator[Partition]:
    """The partition t-0 in `directory`, closed at the end."""
    handle = Handle(directory, **settings)
    try:
        yield handle.log
    finally:
        handle.close()


def row_of(record: Any) -> Row:
    return Row(record.offset, record.timestamp, record.key, record.value, tuple(record.headers))


def rows_of(batch: Any) -> list[Row]:
    return [row_of(record) for record in batch]


def read_all(log: Partition, start: int | None = None, max_records: int = 100_000) -> list[Row]:
    """Every record from `start` (default: the first) to the end."""
    reader = log.reader(start)
    rows: list[Row] = []
    while batch := rows_of(reader.read(max_records, 1 << 20)):
        rows += batch
    return rows


def appended(log: Partition, values: Any, **more: Any) -> list[bytes | None]:
    """Appends `values` and gives what can be read of them."""
    first = log.append_many(values, **more)
    return log.read_batch(first, 10_000_000, 1 << 40).values.tolist() if log.end_offset else []


def as_after_kill(directory: Path, copy: Path) -> Path:
    """The directory as a kill -9 of all who have it open would leave it: nothing closed, nothing trimmed."""
    shutil.copytree(directory, copy)
    return copy
