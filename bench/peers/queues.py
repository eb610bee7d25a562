"""Queues whose workers take items and say when they are done: by hand on SQLite, litequeue, persist-queue."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import litequeue
import persistqueue

__all__ = ["LiteQueue", "PersistAckQueue", "SqliteQueue", "WorkQueue"]


class WorkQueue(ABC):
    """`work(many)` takes so many items, one by one or at once, and marks each as done.

    `is_durable`: what is marked survives a power loss; otherwise `kill -9` alone. `items_a_second`: about, when it is
    durable as far as it can be.
    """

    name: ClassVar[str]
    is_durable: ClassVar[bool]
    items_a_second: ClassVar[float]

    @abstractmethod
    def fill(self, items: Sequence[bytes]) -> None:
        """Put items in; untimed."""

    @abstractmethod
    def work(self, many: int) -> None:
        """Take and finish so many."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open."""


class SqliteQueue(WorkQueue):
    """Two transactions for each lot: claimed rows are nobody else's, then they are deleted."""

    name = "SQLite (WAL), by hand"
    is_durable = True
    items_a_second = 5e4

    def __init__(self, where: Path) -> None:
        self.db = sqlite3.connect(where / "queue.db", isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute(
            "CREATE TABLE items (number INTEGER PRIMARY KEY, owner INTEGER, value BLOB)"
        )
        self.db.execute("CREATE INDEX free ON items (number) WHERE owner IS NULL")

    def fill(self, items: Sequence[bytes]) -> None:
        self.db.execute("BEGIN")
        rows = ((value,) for value in items)
        self.db.executemany("INSERT INTO items (value) VALUES (?)", rows)
        self.db.execute("COMMIT")

    def work(self, many: int) -> None:
        # A claim that is lost with the power is free again, which is what it should be.
        self.db.execute("PRAGMA synchronous=NORMAL")
        taken = self.db.execute(
            "UPDATE items SET owner = 1 WHERE number IN"
            " (SELECT number FROM items WHERE owner IS NULL ORDER BY number LIMIT ?)"
            " RETURNING number, value",
            (many,),
        ).fetchall()
        assert len(taken) == many
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.execute("BEGIN")
        self.db.executemany("DELETE FROM items WHERE number = ?", [row[:1] for row in taken])
        self.db.execute("COMMIT")

    def close(self) -> None:
        self.db.close()


class PersistAckQueue(WorkQueue):
    """persist-queue's queue with acknowledgements, on SQLite: one item a call."""

    name = "persist-queue, SQLiteAckQueue"
    is_durable = True
    items_a_second = 1e3

    def __init__(self, where: Path) -> None:
        self.queue = persistqueue.SQLiteAckQueue(str(where / "ack"))

    def fill(self, items: Sequence[bytes]) -> None:
        for item in items:
            self.queue.put(item)

    def work(self, many: int) -> None:
        for _ in range(many):
            item = self.queue.get(raw=True)
            self.queue.ack(id=item["pqid"])

    def close(self) -> None:
        self.queue.close()


class LiteQueue(WorkQueue):
    """litequeue: one item a call, WAL with `synchronous` NORMAL, text instead of bytes."""

    name = "litequeue"
    is_durable = False
    items_a_second = 5e3

    def __init__(self, where: Path) -> None:
        self.queue = litequeue.LiteQueue(where / "lite.db")

    def fill(self, items: Sequence[bytes]) -> None:
        with self.queue.transaction():
            for item in items:
                self.queue.put(item.hex()[: len(item)])

    def work(self, many: int) -> None:
        for _ in range(many):
            self.queue.done(self.queue.pop().message_id)

    def close(self) -> None:
        self.queue.close()
