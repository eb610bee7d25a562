"""Transactions whose decision lies outside the log: in a row of a SQLite database.

A producer hands the decision over with a durable record that names the database and a key (the pledge). From then on
the transaction is committed when, and only when, the database has the key. Whoever settles it for a dead producer
asks the database, and writes the answer "no" there first, so that nobody can commit afterwards.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from logflume.coordinator.record_fields import FieldReader, FieldWriter
from logflume.errors import InvalidRecord, TransactionInDoubt

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

    from .entry import Entry

__all__ = ["DECIDED_BY_HEADER", "TABLE", "SqliteRow", "ask"]

DECIDED_BY_HEADER = "logflume.decided-by"
VERSION = 0
TABLE = "logflume_transactions"
BUSY_S = (
    0.2  # asked with the coordinator's mutex held: whoever has the database may be waiting for that
)


@dataclass(frozen=True, slots=True)
class SqliteRow:
    """Where a decision is looked up: file, the database's own mark, the transaction's key."""

    path: str
    database: str
    key: str

    def encode(self) -> bytes:
        """The header's value."""
        writer = FieldWriter(VERSION)
        for text in (self.path, self.database, self.key):
            writer.string(text)
        return writer.done()

    @staticmethod
    def decode(data: bytes) -> SqliteRow:
        """What `encode` gave. Raises InvalidRecord for another version, or bytes that do not fit."""
        reader = FieldReader(data, f"header {DECIDED_BY_HEADER}")
        version = reader.int16()
        if version != VERSION:
            raise InvalidRecord(reason=f"header {DECIDED_BY_HEADER}: version {version}")
        row = SqliteRow(reader.string(), reader.string(), reader.string())
        reader.end()
        return row


def ask(entry: Entry) -> bool:
    """Whether the database committed a pledged transaction; when not, it never can from here on.

    Raises TransactionInDoubt while nobody can tell: the database is gone, locked, damaged, or another one.
    """
    import sqlite3

    row = SqliteRow.decode(entry.decided_by)

    def doubt(reason: str) -> TransactionInDoubt:
        return TransactionInDoubt(
            transactional_id=entry.transactional_id,
            reason=f"the SQLite database {row.path} decides it, and {reason}",
        )

    if not os.path.exists(row.path):
        raise doubt("is not there")
    try:
        connection = sqlite3.connect(row.path, timeout=BUSY_S, isolation_level=None)
    except sqlite3.Error as error:
        raise doubt(f"cannot be opened: {error}") from error
    try:
        # The lock of a living writer keeps us out: he may still commit.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        marks = dict(connection.execute(f"SELECT transactional_id, txn FROM {TABLE}"))
        if marks.get("") != row.database:
            raise doubt("is another database now")
        verdict = _verdict(connection, entry.transactional_id, row.key)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise doubt(f"does not answer: {error}") from error
    finally:
        connection.close()
    return verdict


def _verdict(connection: sqlite3.Connection, transactional_id: str, key: str) -> bool:
    found = connection.execute(
        f"SELECT committed FROM {TABLE} WHERE transactional_id = ? AND txn = ?",
        (transactional_id, key),
    ).fetchone()
    if found is not None:
        # Written again, so that it is on disk when this commits: its writer may have died before his sync.
        connection.execute(
            f"UPDATE {TABLE} SET committed = committed WHERE transactional_id = ?",
            (transactional_id,),
        )
        return bool(found[0])
    connection.execute(f"INSERT OR REPLACE INTO {TABLE} VALUES (?, ?, 0)", (transactional_id, key))
    return False
