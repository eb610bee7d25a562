"""persist-queue: its file queue, one file operation or more for each item."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import persistqueue

from bench.peers.store import Store

__all__ = ["PersistQueue"]


class PersistQueue(Store):
    """Items are taken out to be read; there is no look-up."""

    name = "persist-queue"
    rate = {"each": 5e3, "surviving": 5e3, "many": 5e3, "read": 0.5e6}

    def __init__(self, where: Path) -> None:
        super().__init__(where)
        self.queue = persistqueue.Queue(str(where / "queue"), tempdir=str(where))

    def put_each(self, values: Iterable[bytes]) -> None:
        put = self.queue.put
        for value in values:
            put(value)
            self.count += 1

    put_surviving = put_each

    def put_durable(self, value: bytes) -> None:
        raise NotImplementedError("persist-queue's file queue does not sync")

    def put_many(self, values: Sequence[bytes], *, durable: bool = False) -> None:
        self.put_each(values)

    def read_all(self) -> Iterator[bytes]:
        for _ in range(self.count):
            yield self.queue.get()

    def get_each(self, numbers: Iterable[int]) -> None:
        raise NotImplementedError("a queue has no look-up")

    def close(self) -> None:
        del self.queue
