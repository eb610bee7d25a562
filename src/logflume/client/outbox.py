"""A log transaction and a SQLite transaction that commit together: `with log.transaction(sqlite=connection):`."""

from __future__ import annotations

import threading
import uuid

from logflume.coordinator.transactions.external import TABLE, SqliteRow
from logflume.errors import InvalidConfig, InvalidTxnState, ProducerFenced, TransactionAborted

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping
    from types import TracebackType
    from typing import Any

    from typing_extensions import Buffer

    from logflume._native.delivery import Delivery
    from logflume.client.consumer import Consumer
    from logflume.client.log import Log
    from logflume.client.producer import Producer
    from logflume.client.transactions import Transaction
    from logflume.types import OffsetAndMetadata

__all__ = ["Outbox", "OutboxTransaction"]

_PREFIX = "outbox-"
_ATTEMPTS = 5


class Outbox:
    """The producers of one log's outbox transactions, kept from one to the next. Thread-safe."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._mutex = threading.Lock()
        self._idle: dict[str, list[Producer]] = {}

    def begin(self, database: str) -> tuple[Producer, Transaction]:
        """An open transaction of a producer that nobody else uses."""
        from logflume.client.directory_engine import coordinator_of

        for attempt in range(_ATTEMPTS):
            with self._mutex:
                idle = self._idle.setdefault(database, [])
                producer = idle.pop() if idle else None
            if producer is None:
                coordinator = coordinator_of(self._log.engine, "transaction(sqlite=...)")
                name = coordinator.free_id(f"{_PREFIX}{database}-")
                producer = self._log.producer(transactional_id=name)
            try:
                return producer, producer.transaction()
            except ProducerFenced:
                # Another process chose the same free id at the same moment.
                producer.close()
                if attempt == _ATTEMPTS - 1:
                    raise
            except BaseException:
                producer.close()
                raise
        raise AssertionError("unreachable")

    def give_back(self, database: str, producer: Producer) -> None:
        """Its transaction is over."""
        with self._mutex:
            self._idle.setdefault(database, []).append(producer)


class OutboxTransaction:
    """What the `with` block gives: `send`, `send_many` and `send_offsets` belong to it, and so does everything that is
    done on the connection. Both are committed at the end of the block, or both taken back on an exception.

    It belongs to the connection's thread.
    """

    def __init__(self, outbox: Outbox, connection: sqlite3.Connection) -> None:
        self._outbox = outbox
        self._connection = connection
        self._path = _path_of(connection)
        self._key = uuid.uuid4().hex
        self._producer: Producer
        self._transaction: Transaction

    def __enter__(self) -> OutboxTransaction:
        connection = self._connection
        # With autocommit=False (Python 3.12 and later) a transaction is always under way.
        always = getattr(connection, "autocommit", None) is False
        if connection.in_transaction and not always:
            raise InvalidTxnState(
                transactional_id=None, reason="the SQLite connection is in a transaction already"
            )
        self._database = _mark_of(self._path)
        # Before the database is locked: a dead process may have left this id a question to ask there.
        self._producer, self._transaction = self._outbox.begin(self._database)
        try:
            if not always:
                connection.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._transaction.abort()
            self._outbox.give_back(self._database, self._producer)
            raise
        return self

    def send(
        self,
        topic: str,
        value: Buffer | None,
        key: Buffer | None = None,
        headers: Iterable[tuple[str, bytes | None]] | None = None,
        partition: int | None = None,
        timestamp: int | None = None,
    ) -> Delivery:
        """As Producer.send."""
        return self._producer.send(topic, value, key, headers, partition, timestamp)

    def send_many(self, topic: str, values: Any, **options: Any) -> int:
        """As Producer.send_many."""
        return self._producer.send_many(topic, values, **options)

    def send_offsets(
        self,
        consumer: Consumer,
        offsets: Mapping[tuple[str, int], int | OffsetAndMetadata] | None = None,
    ) -> None:
        """As Transaction.send_offsets."""
        self._transaction.send_offsets(consumer, offsets)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is not None:
                self._roll_back(error)
            else:
                self._commit()
        finally:
            self._outbox.give_back(self._database, self._producer)

    def _roll_back(self, error: BaseException) -> None:
        try:
            self._connection.rollback()
        finally:
            self._transaction.__exit__(type(error), error, error.__traceback__)

    def _commit(self) -> None:
        try:
            self._write_key()
        except BaseException as error:
            self._roll_back(error)
            raise
        decided_by = SqliteRow(self._path, self._database, self._key).encode()
        try:
            self._transaction.commit_decided(decided_by, self._decide)
        except BaseException:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise

    def _write_key(self) -> None:
        """Part of the SQLite transaction: its commit says that the key's transaction is committed.

        One row an id: the one before is on disk in the log as soon as this one is decided.
        """
        name = self._transaction.transactional_id
        done = self._connection.execute(
            f"INSERT INTO main.{TABLE} VALUES (?, ?, 1) ON CONFLICT (transactional_id)"
            " DO UPDATE SET txn = excluded.txn, committed = 1 WHERE txn <> excluded.txn",
            (name, self._key),
        )
        if done.rowcount != 1:
            raise TransactionAborted(transactional_id=name, reason="it was settled meanwhile")

    def _decide(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise


def _path_of(connection: sqlite3.Connection) -> str:
    """The database's file. Raises InvalidConfig when it has none, or promises nothing after a power loss."""
    import os

    files = {name: path for _, name, path in connection.execute("PRAGMA database_list")}
    path = files.get("main")
    if not path:
        raise InvalidConfig(
            name="sqlite", value=":memory:", reason="a database without a file remembers nothing"
        )
    (level,) = connection.execute("PRAGMA main.synchronous").fetchone()
    if level < 2:
        raise InvalidConfig(
            name="PRAGMA synchronous",
            value=level,
            reason="a commit of this connection may be lost with the power, and the log's would not;"
            " set it to FULL",
        )
    return str(os.path.realpath(path))


def _mark_of(path: str) -> str:
    """What tells this database from others; made with the table when it is first used."""
    import contextlib
    import sqlite3

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        query = f"SELECT txn FROM {TABLE} WHERE transactional_id = ''"
        with contextlib.suppress(sqlite3.OperationalError):  # there is no such table yet
            for (mark,) in connection.execute(query):
                return str(mark)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {TABLE} (transactional_id TEXT PRIMARY KEY,"
            " txn TEXT NOT NULL, committed INTEGER NOT NULL) WITHOUT ROWID"
        )
        made = uuid.uuid4().hex[:12]
        connection.execute(f"INSERT OR IGNORE INTO {TABLE} VALUES ('', ?, 1)", (made,))
        (mark,) = connection.execute(query).fetchone()
        connection.execute("COMMIT")
        return str(mark)
