"""RocksDB through rocksdict: an LSM tree with its write-ahead log, numbers as big-endian keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rocksdict import DBCompressionType, Options, Rdict, WriteBatch, WriteOptions

from bench.peers.store import Store

__all__ = ["Rocks"]


class Rocks(Store):
    """Raw bytes, no Python pickling. A put is in the WAL's file when it returns, so safe from kill -9."""

    name = "RocksDB"
    rate = {"each": 0.8e6, "surviving": 0.8e6, "many": 2.5e6, "read": 6e6, "get": 1.1e6}

    def __init__(self, where: Path, *, lz4: bool = False) -> None:
        super().__init__(where)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        codec = DBCompressionType.lz4() if lz4 else DBCompressionType.none()
        options.set_compression_type(codec)
        self.db = Rdict(str(where / "rocks"), options)
        self.durable = WriteOptions()
        self.durable.sync = True

    def put_each(self, values: Iterable[bytes]) -> None:
        put, number = self.db.put, self.count
        for value in values:
            put(number.to_bytes(8, "big"), value)
            number += 1
        self.count = number

    put_surviving = put_each

    def put_durable(self, value: bytes) -> None:
        self.db.put(self.count.to_bytes(8, "big"), value, self.durable)
        self.count += 1

    def put_many(self, values: Sequence[bytes], *, durable: bool = False) -> None:
        number = self.count
        for at in range(0, len(values), 1000):
            batch = WriteBatch(raw_mode=True)
            put = batch.put
            for value in values[at : at + 1000]:
                put(number.to_bytes(8, "big"), value)
                number += 1
            if durable:
                self.db.write(batch, self.durable)
            else:
                self.db.write(batch)
        self.count = number

    def read_all(self) -> Iterator[bytes]:
        yield from self.db.values()

    def get_each(self, numbers: Iterable[int]) -> None:
        get = self.db.get
        for number in numbers:
            get(number.to_bytes(8, "big"))

    def flush(self) -> None:
        """Write the memory table to its file."""
        self.db.flush()

    def close(self) -> None:
        self.db.close()
