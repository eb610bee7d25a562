"""LMDB: a B-tree in a map, numbers as big-endian keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import lmdb

from bench.peers.store import Store

__all__ = ["Lmdb"]


class Lmdb(Store):
    """`sync` only where a record is to be durable."""

    name = "LMDB"
    rate = {"each": 2.5e6, "surviving": 0.33e6, "many": 2.5e6, "read": 6e6, "get": 2.3e6}

    def __init__(self, where: Path) -> None:
        super().__init__(where)
        self.env = lmdb.open(str(where / "lmdb"), map_size=8 << 30, sync=False, metasync=False)
        with self.env.begin() as txn:
            self.count = txn.stat()["entries"]

    def put_each(self, values: Iterable[bytes]) -> None:
        number = self.count
        with self.env.begin(write=True) as txn:
            put = txn.put
            for value in values:
                put(number.to_bytes(8, "big"), value, append=True)
                number += 1
        self.count = number

    def put_surviving(self, values: Iterable[bytes]) -> None:
        begin = self.env.begin
        for value in values:
            with begin(write=True) as txn:
                txn.put(self.count.to_bytes(8, "big"), value, append=True)
            self.count += 1

    def put_durable(self, value: bytes) -> None:
        with self.env.begin(write=True) as txn:
            txn.put(self.count.to_bytes(8, "big"), value, append=True)
        self.env.sync(True)
        self.count += 1

    def put_many(self, values: Sequence[bytes], *, durable: bool = False) -> None:
        pairs = [((self.count + i).to_bytes(8, "big"), value) for i, value in enumerate(values)]
        with self.env.begin(write=True) as txn:
            txn.cursor().putmulti(pairs, append=True)
        self.count += len(pairs)
        if durable:
            self.env.sync(True)

    def read_all(self) -> Iterator[bytes]:
        with self.env.begin() as txn:
            yield from txn.cursor().iternext(keys=False, values=True)

    def get_each(self, numbers: Iterable[int]) -> None:
        with self.env.begin() as txn:
            get = txn.get
            for number in numbers:
                get(number.to_bytes(8, "big"))

    def close(self) -> None:
        self.env.close()
