"""What committed readers see of transactions that overlap, against a rule in a few lines: all of each, or nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

import logflume
from logflume.coordinator.transactions import held
from logflume.coordinator.transactions.coordinator import TransactionCoordinator
from support.committed import undecided

PLACES = [("a", 0), ("a", 1), ("b", 0)]
WRITERS = 4

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, WRITERS - 1), st.integers(0, 2)),
        st.tuples(st.just("commit"), st.integers(0, WRITERS - 1)),
        st.tuples(st.just("abort"), st.integers(0, WRITERS - 1)),
        st.tuples(st.just("plain"), st.integers(0, 2)),
        st.tuples(st.just("reopen")),
    ),
    max_size=40,
)

# One holds back another elsewhere, which holds back a third.
CHAIN = [
    ("send", 0, 0), ("send", 1, 0), ("send", 1, 1), ("send", 2, 1), ("send", 2, 2), ("commit", 2), ("commit", 1),
    ("reopen",), ("plain", 2), ("commit", 0),
]  # fmt: skip
# A transaction around another's record, in one partition.
AROUND = [("send", 0, 0), ("send", 1, 0), ("send", 0, 0), ("commit", 0), ("commit", 1)]


class Twin:
    """All records by place, each with the transaction that it belongs to; markers belong to none."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], list[tuple[int | None, bytes]]] = {p: [] for p in PLACES}
        self.open: dict[int, int] = {}  # writer to transaction
        self.state: list[str] = []  # by transaction

    def limits(self) -> dict[tuple[str, int], int]:
        """The highest ends that show no open transaction, and of each committed one all or nothing."""
        limits = {place: len(rows) for place, rows in self.rows.items()}

        def hide(txn: int) -> None:
            for place, rows in self.rows.items():
                first = next((i for i, row in enumerate(rows) if row[0] == txn), len(rows))
                limits[place] = min(limits[place], first)

        def is_hidden(txn: int) -> bool:
            return any(
                row[0] == txn and i >= limits[place]
                for place, rows in self.rows.items()
                for i, row in enumerate(rows)
            )

        for txn, state in enumerate(self.state):
            if state == "open":
                hide(txn)
        before = None
        while before != limits:
            before = dict(limits)
            for txn, state in enumerate(self.state):
                if state == "committed" and is_hidden(txn):
                    hide(txn)
        return limits

    def shown(self) -> dict[tuple[str, int], list[bytes]]:
        return {
            place: [
                value
                for txn, value in self.rows[place][:limit]
                if value and (txn is None or self.state[txn] == "committed")
            ]
            for place, limit in self.limits().items()
        }


class Engine:
    """The same steps, on a directory that two have open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log: Any = logflume.open(path)
        self.log.create_topic("a", partitions=2)
        self.log.create_topic("b")
        self.reader: Any = logflume.open(path)
        self.writers = [self.log.producer(transactional_id=f"t{i}") for i in range(WRITERS)]
        self.plain = self.log.producer()
        self.open: dict[int, Any] = {}
        self.log.create_topic("before")
        with self.writers[0].transaction():  # from here on it is known that nothing is held
            self.writers[0].send("before", b"")

    def reopen(self) -> None:
        """All partitions are closed by the reader, and opened anew."""
        self.reader.close()
        self.reader = logflume.open(self.path)

    def limits(self) -> dict[tuple[str, int], int]:
        return {place: self.reader.partition(*place).last_stable_offset for place in PLACES}

    def close(self) -> None:
        self.reader.close()
        self.log.close()


def play(steps: list[tuple[Any, ...]], *, exact: bool) -> None:
    twin = Twin()
    with tempfile.TemporaryDirectory() as where:
        engine = Engine(Path(where) / "data")
        try:
            seen = dict.fromkeys(PLACES, 0)
            for number, step in enumerate(steps):
                _take(step, b"%d" % number, twin, engine)
                limits = engine.limits()
                assert all(limits[place] >= seen[place] for place in PLACES), "never back"
                seen = limits
                if exact:
                    assert limits == twin.limits(), step
                _check_whole(twin, limits)
            for writer in list(twin.open):
                _take(("commit", writer), b"", twin, engine)
            assert undecided(engine.reader) == {}
            if exact:
                consumer = engine.reader.consumer(
                    "a", "b", isolation_level="read_committed", auto_offset_reset="earliest"
                )
                found: dict[tuple[str, int], list[bytes]] = {place: [] for place in PLACES}
                for record in consumer.poll(0.0, 100_000):
                    found[record.topic, record.partition].append(record.value)
                assert found == twin.shown()
        finally:
            engine.close()


def _check_whole(twin: Twin, limits: dict[tuple[str, int], int]) -> None:
    for txn, state in enumerate(twin.state):
        inside = {
            i < limits[place]
            for place, rows in twin.rows.items()
            for i, row in enumerate(rows)
            if row[0] == txn
        }
        assert len(inside) < 2 or state == "aborted", f"a part of {txn} is shown"


def _take(step: tuple[Any, ...], value: bytes, twin: Twin, engine: Engine) -> None:
    what, *args = step
    if what == "reopen":
        engine.reopen()
    elif what == "plain":
        topic, partition = PLACES[args[0]]
        engine.plain.send(topic, value, partition=partition).result(60)
        twin.rows[topic, partition].append((None, value))
    elif what == "send":
        writer, place = args[0], PLACES[args[1]]
        if writer not in twin.open:
            engine.open[writer] = engine.writers[writer].transaction()
            twin.open[writer] = len(twin.state)
            twin.state.append("open")
        engine.writers[writer].send(place[0], value, partition=place[1]).result(60)
        twin.rows[place].append((twin.open[writer], value))
    elif args[0] in twin.open:
        txn = twin.open.pop(args[0])
        getattr(engine.open.pop(args[0]), what)()
        twin.state[txn] = "committed" if what == "commit" else "aborted"
        for rows in twin.rows.values():
            if any(row[0] == txn for row in rows):
                rows.append((None, b""))


@settings(max_examples=150)
@given(STEPS)
@example(CHAIN)
@example(AROUND)
def test_a_transaction_is_seen_whole_or_not_at_all(steps: list[tuple[Any, ...]]) -> None:
    with patch.object(TransactionCoordinator, "patience_s", 0.0):
        play(steps, exact=True)


@settings(max_examples=60)
@given(STEPS)
@example(CHAIN)
def test_also_when_more_are_held_than_are_told_apart(steps: list[tuple[Any, ...]]) -> None:
    with (
        patch.object(TransactionCoordinator, "patience_s", 0.0),
        patch.object(held, "GROUPS_MAX", 1),
    ):
        play(steps, exact=False)
