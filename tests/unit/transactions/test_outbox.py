"""A log transaction and a SQLite transaction that commit together, and who decides when their process is gone."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from logflume.coordinator.transactions import settling
from logflume.errors import InvalidConfig, InvalidTxnState, TransactionInDoubt
from support.committed import undecided, values


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logflume.Log]:
    with logflume.open(tmp_path / "log") as log:
        log.create_topic("t", partitions=2)
        yield log


def connect(where: Path, **options: object) -> sqlite3.Connection:
    return sqlite3.connect(where / "rows.db", timeout=0.1, **options)  # type: ignore[arg-type]


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(connect(tmp_path)) as connection:
        connection.execute("CREATE TABLE rows (v TEXT)")
        connection.commit()
        yield connection


def found(connection: sqlite3.Connection) -> list[str]:
    return [v for (v,) in connection.execute("SELECT v FROM rows ORDER BY rowid")]


def both(log: logflume.Log, rows: sqlite3.Connection, value: str) -> None:
    with log.transaction(sqlite=rows) as txn:
        rows.execute("INSERT INTO rows VALUES (?)", (value,))
        txn.send("t", value.encode(), partition=0)
        txn.send("t", value.encode(), partition=1)


def test_both_are_there_at_the_end_of_the_block(
    log: logflume.Log, rows: sqlite3.Connection
) -> None:
    for number in range(3):
        both(log, rows, str(number))
        assert not rows.in_transaction
    assert found(rows) == ["0", "1", "2"]
    assert values(log, "t") == [b"0", b"1", b"2"] * 2
    assert not undecided(log)


def test_neither_is_there_after_an_exception(log: logflume.Log, rows: sqlite3.Connection) -> None:
    def fails() -> None:
        with log.transaction(sqlite=rows) as txn:
            rows.execute("INSERT INTO rows VALUES ('x')")
            txn.send("t", b"x").result(60)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert found(rows) == []
    assert values(log, "t") == []
    both(log, rows, "next")
    assert (found(rows), values(log, "t")) == (["next"], [b"next"] * 2)


def test_neither_is_there_when_sqlite_refuses_the_commit(
    log: logflume.Log, rows: sqlite3.Connection
) -> None:
    rows.execute("PRAGMA foreign_keys = ON")
    rows.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    rows.execute(
        "CREATE TABLE child (p INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)"
    )
    txn = log.transaction(sqlite=rows).__enter__()
    rows.execute("INSERT INTO child VALUES (7)")
    txn.send("t", b"x", partition=0)
    with pytest.raises(sqlite3.IntegrityError):
        txn.__exit__(None, None, None)
    assert not rows.in_transaction
    assert values(log, "t") == []
    assert not undecided(log)
    both(log, rows, "next")
    assert values(log, "t") == [b"next"] * 2


def test_one_side_may_be_empty(log: logflume.Log, rows: sqlite3.Connection) -> None:
    with log.transaction(sqlite=rows):
        rows.execute("INSERT INTO rows VALUES ('only here')")
    with log.transaction(sqlite=rows) as txn:
        txn.send("t", b"only there", partition=1)
    assert found(rows) == ["only here"]
    assert values(log, "t") == [b"only there"]


def test_a_groups_offsets_belong_to_it(log: logflume.Log, rows: sqlite3.Connection) -> None:
    both(log, rows, "in")
    with log.consumer(group="g", enable_auto_commit=False) as consumer:
        with log.transaction(sqlite=rows) as txn:
            txn.send_offsets(consumer, {("t", 0): 1})
        with contextlib.suppress(ZeroDivisionError), log.transaction(sqlite=rows) as txn:
            txn.send_offsets(consumer, {("t", 0): 0})
            raise ZeroDivisionError
        assert consumer.committed("t", 0) == 1


def test_what_cannot_be_promised_is_refused(
    log: logflume.Log, rows: sqlite3.Connection, tmp_path: Path
) -> None:
    with (
        contextlib.closing(sqlite3.connect(":memory:")) as memory,
        pytest.raises(InvalidConfig, match="without a file"),
    ):
        log.transaction(sqlite=memory)
    with contextlib.closing(connect(tmp_path)) as fast:
        fast.execute("PRAGMA synchronous = NORMAL")
        with pytest.raises(InvalidConfig, match="set it to FULL"):
            log.transaction(sqlite=fast)
    rows.execute("INSERT INTO rows VALUES ('before')")
    with pytest.raises(InvalidTxnState, match="in a transaction already"):
        log.transaction(sqlite=rows).__enter__()


def test_a_locked_database_leaves_nothing_open(
    log: logflume.Log, rows: sqlite3.Connection, tmp_path: Path
) -> None:
    both(log, rows, "first")
    with contextlib.closing(connect(tmp_path)) as other:
        other.execute("BEGIN IMMEDIATE")
        rows.execute("PRAGMA busy_timeout = 10")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            log.transaction(sqlite=rows).__enter__()
    both(log, rows, "second")
    assert not undecided(log)
    # The producer of the first is used again: one row for it, and one for the database's mark.
    assert rows.execute("SELECT count(*) FROM logflume_transactions").fetchone() == (2,)


def leave_pledged(where: Path, value: str, *, committed: bool) -> None:
    """A process that dies right before, or right behind, SQLite's commit."""
    if (pid := os.fork()) == 0:
        try:
            log, rows = logflume.open(where / "log"), connect(where)
            txn = log.transaction(sqlite=rows)

            def decide() -> None:
                if committed:
                    rows.execute("COMMIT")
                os._exit(0)

            txn._decide = decide  # type: ignore[method-assign]
            with txn:
                rows.execute("INSERT INTO rows VALUES (?)", (value,))
                txn.send("t", value.encode(), partition=0)
                txn.send("t", value.encode(), partition=1)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("reopened", [False, True])
def test_the_database_decides_for_the_dead(
    tmp_path: Path, rows: sqlite3.Connection, committed: bool, reopened: bool
) -> None:
    with logflume.open(tmp_path / "log") as log:
        log.create_topic("t", partitions=2)
        both(log, rows, "first")
        if not reopened:
            leave_pledged(tmp_path, "x", committed=committed)
            log.transactions.settle()
            assert values(log, "t") == [value.encode() for value in found(rows)] * 2
    if reopened:
        leave_pledged(tmp_path, "x", committed=committed)
    with logflume.open(tmp_path / "log") as log:
        assert found(rows) == ["first", "x"][: 1 + committed]
        assert values(log, "t") == [value.encode() for value in found(rows)] * 2
        assert not undecided(log)
        both(log, rows, "last")
        assert values(log, "t") == [value.encode() for value in found(rows)] * 2


@pytest.mark.parametrize("gone", ["missing", "another"])
def test_without_its_database_a_transaction_stays_in_doubt(
    tmp_path: Path, rows: sqlite3.Connection, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[str] = []

    class Told:
        def warning(self, _: str, why: str) -> None:
            warned.append(why)

    monkeypatch.setattr(settling, "_logger", Told())
    with logflume.open(tmp_path / "log") as log:
        log.create_topic("t", partitions=2)
        both(log, rows, "first")
        leave_pledged(tmp_path, "x", committed=True)
        database = tmp_path / "rows.db"
        database.rename(tmp_path / "kept.db")
        if gone == "another":
            with contextlib.closing(connect(tmp_path)) as other:
                other.execute("CREATE TABLE rows (v TEXT)")
                other.commit()
                both(log, other, "other")
        before = len(values(log, "t"))
        for _ in range(5):  # readers who wait ask many times a second
            log.transactions.settle()
        assert len(warned) == 1
        assert undecided(log)
        (open_,) = [one for one in log.transactions.list() if one.decided_by]
        assert open_.decided_by == str(database)
        with pytest.raises(TransactionInDoubt, match=r"rows\.db"):
            log.transactions.abort(open_.transactional_id)
        assert len(values(log, "t")) == before
        if gone == "missing":
            (tmp_path / "kept.db").rename(database)
            log.transactions.settle()
            assert values(log, "t") == [b"first", b"x"] * 2
        else:
            assert log.transactions.abort(open_.transactional_id, force=True)
        assert not undecided(log)


def test_whoever_was_asked_for_the_dead_has_the_last_word(
    tmp_path: Path, rows: sqlite3.Connection, log: logflume.Log
) -> None:
    """The answer "no" is written into the database: a process that was only stopped cannot commit any more."""
    from logflume.coordinator.transactions.external import ask
    from logflume.errors import TransactionAborted

    both(log, rows, "first")
    txn = log.transaction(sqlite=rows)
    entry = None

    def settled_meanwhile() -> None:
        rows.rollback()
        nonlocal entry
        coordinator = txn._producer._core.transactions._coordinator
        with coordinator.room.locked() as states:
            entry = states.get(txn._transaction.transactional_id)
        assert not ask(entry)
        rows.execute("BEGIN IMMEDIATE")
        try:
            txn._write_key()
        finally:
            rows.rollback()

    txn._decide = settled_meanwhile  # type: ignore[method-assign]
    with pytest.raises(TransactionAborted, match="settled meanwhile"), txn:
        txn.send("t", b"x", partition=0)
    assert values(log, "t") == [b"first"] * 2
    both(log, rows, "next")
    assert values(log, "t") == [b"first", b"next"] * 2
