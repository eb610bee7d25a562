"""What every peer can do, each in the way that is fastest for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

__all__ = ["Store"]


class Store(ABC):
    """Records in the order of numbers that count from 0.

    The loops stand inside the methods, so that no call more than the peer's own is paid for a record.
    `rate`: about how many records of 100 bytes a second each job does, to choose how many to time.
    """

    name: ClassVar[str]
    rate: ClassVar[dict[str, float]]

    def __init__(self, where: Path) -> None:
        self.where = where
        self.count = 0

    @abstractmethod
    def put_each(self, values: Iterable[bytes]) -> None:
        """One call a record; when it returns, all are with the operating system."""

    @abstractmethod
    def put_surviving(self, values: Iterable[bytes]) -> None:
        """One call a record, each safe from kill -9 when its call returns."""

    @abstractmethod
    def put_durable(self, value: bytes) -> None:
        """One record, on the disk when it returns."""

    @abstractmethod
    def put_many(self, values: Sequence[bytes], *, durable: bool = False) -> None:
        """All at once; on the disk when `durable`."""

    @abstractmethod
    def read_all(self) -> Iterator[bytes]:
        """The values in order."""

    @abstractmethod
    def get_each(self, numbers: Iterable[int]) -> None:
        """Look up each number's value."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open."""
