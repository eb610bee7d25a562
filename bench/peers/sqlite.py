"""sqlite3 in WAL mode: a table of numbers and blobs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench.peers.store import Store

__all__ = ["Sqlite"]

INSERT = "INSERT INTO records (value) VALUES (?)"


class Sqlite(Store):
    """`synchronous` is OFF where only kill -9 is to be survived, FULL where a record is to be durable."""

    name = "SQLite (WAL)"
    rate = {"each": 0.7e6, "surviving": 0.17e6, "many": 1e6, "read": 3.4e6, "get": 0.4e6}

    def __init__(self, where: Path, *, shared: bool = False) -> None:
        """`shared`: other connections write, too, and this one is used by a thread that did not make it."""
        super().__init__(where)
        self.db = sqlite3.connect(
            where / "records.db", timeout=60, isolation_level=None, check_same_thread=not shared
        )
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute(
            "CREATE TABLE IF NOT EXISTS records (number INTEGER PRIMARY KEY, value BLOB)"
        )
        self._sync(False)

    def _sync(self, full: bool) -> None:
        if getattr(self, "full", None) is not full:
            self.db.execute(f"PRAGMA synchronous={'FULL' if full else 'OFF'}")
            self.full = full

    def put_each(self, values: Iterable[bytes]) -> None:
        execute = self.db.execute
        execute("BEGIN")
        for value in values:
            execute(INSERT, (value,))
        execute("COMMIT")

    def put_surviving(self, values: Iterable[bytes]) -> None:
        execute = self.db.execute
        for value in values:
            execute(INSERT, (value,))

    def put_durable(self, value: bytes) -> None:
        self._sync(True)
        self.db.execute(INSERT, (value,))

    def put_many(self, values: Sequence[bytes], *, durable: bool = False) -> None:
        self._sync(durable)
        self.db.execute("BEGIN")
        self.db.executemany(INSERT, ((value,) for value in values))
        self.db.execute("COMMIT")

    def read_all(self) -> Iterator[bytes]:
        for row in self.db.execute("SELECT value FROM records ORDER BY number"):
            yield row[0]

    def get_each(self, numbers: Iterable[int]) -> None:
        execute = self.db.execute
        for number in numbers:
            execute("SELECT value FROM records WHERE number = ?", (number + 1,)).fetchone()

    def close(self) -> None:
        self.db.close()
