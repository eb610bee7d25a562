"""Producers and transactions against a slow, obvious twin: random histories on two handles, with rolls, retention,
reopening and kills."""

from __future__ import annotations

import copy
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from logflume import errors
from logflume._native.transactions import complete
from support.partitions import Handle, as_after_kill
from support.transactional import batch, marker

PRODUCERS = st.integers(0, 3)
SETTINGS: dict[str, Any] = {"segment_bytes": 1200, "index_interval_bytes": 200}


class Twin:
    """The log as a list: ("data", producer, epoch, sequence, count, transactional, offset) and
    ("marker", producer, epoch, commit, offset). Everything else is worked out from it anew each time."""

    def __init__(self) -> None:
        self.entries: list[tuple[Any, ...]] = []
        self.end = 0
        # Offsets of what lay below the start when nobody could look it up: as if it had never been.
        self.forgotten: set[int] = set()
        self.never_open: set[int] = set()

    def append(self, *entry: Any, count: int = 1) -> int:
        offset = self.end
        self.entries.append((*entry, offset))
        self.end += count
        return offset

    def of(self, producer: int) -> list[tuple[Any, ...]]:
        return [
            e
            for e in self.entries
            if e[0] != "plain" and e[1] == producer and e[-1] not in self.forgotten
        ]

    def epoch(self, producer: int) -> int:
        return max((e[2] for e in self.of(producer)), default=-1)

    def data(self, producer: int) -> list[tuple[Any, ...]]:
        """Batches of the present epoch."""
        epoch = self.epoch(producer)
        return [e for e in self.of(producer) if e[0] == "data" and e[2] == epoch]

    def next_sequence(self, producer: int) -> int:
        data = self.data(producer)
        return data[-1][3] + data[-1][4] if data else 0

    def transactions(self) -> list[tuple[int, int, int | None, bool]]:
        """(producer, first offset, marker's offset or None, committed) of all that had data."""
        found = []
        begun: dict[int, int] = {}
        for e in self.entries:
            if e[0] == "data" and e[5] and e[-1] not in self.never_open:
                begun.setdefault(e[1], e[-1])
            elif e[0] == "marker" and e[1] in begun:
                found.append((e[1], begun.pop(e[1]), e[-1], e[3]))
        found += [(producer, first, None, False) for producer, first in begun.items()]
        return found

    def forget(self, since: int, start: int) -> None:
        """What lies in [since, start) is deleted, and no snapshot has it: Kafka rebuilds from the start, too."""
        gone = {
            e[-1]
            for e in self.entries
            if e[0] != "plain"
            and since <= e[-1]
            and e[-1] + (e[4] if e[0] == "data" else 1) <= start
        }
        still_open = {
            e[-1]
            for e in self.entries
            if e[0] == "data" and self.open().get(e[1], self.end) <= e[-1]
        }
        self.never_open |= gone & still_open
        self.forgotten |= gone

    def open(self) -> dict[int, int]:
        return {t[0]: t[1] for t in self.transactions() if t[2] is None}

    def stable(self, start: int) -> int:
        return max(start, min([self.end, *self.open().values()]))

    def aborted(self) -> list[tuple[int, int, int]]:
        ended = [(t[0], t[1], t[2]) for t in self.transactions() if t[2] is not None and not t[3]]
        return sorted(ended, key=lambda t: t[2] or 0)

    def committed(self, start: int) -> list[bytes]:
        values = []
        stable, aborted = self.stable(start), self.aborted()
        for e in self.entries:
            if e[0] == "plain" and start <= e[-1] < stable:
                values.append(b"plain")
            elif e[0] == "data" and not (
                e[5] and any(a[0] == e[1] and a[1] <= e[-1] <= a[2] for a in aborted)
            ):
                values += [
                    b"%d:%d" % (e[1], e[3] + i) for i in range(e[4]) if start <= e[-1] + i < stable
                ]
        return values


class ProducerModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.where = self.home / "0"
        self.generation = 0
        self.twin = Twin()
        self.handles: list[Handle] = []
        # Reopened after a clean close, only the last batch of each is remembered, not five.
        self.forgotten_below = 0

    @initialize()
    def begin(self) -> None:
        self.open()

    def open(self) -> None:
        self.handles = [Handle(self.where, **SETTINGS) for _ in range(2)]

    def log(self, which: bool) -> Any:
        return self.handles[which].log

    @rule(which=st.booleans(), producer=PRODUCERS, count=st.integers(1, 4), txn=st.booleans())
    def send(self, which: bool, producer: int, count: int, txn: bool) -> None:
        twin = self.twin
        epoch, sequence = max(twin.epoch(producer), 0), twin.next_sequence(producer)
        data = batch(producer, sequence, count, epoch=epoch, transactional=txn)
        if producer in twin.open() and not txn:
            with pytest.raises(errors.InvalidTxnState):
                self.log(which).append_batches(data)
            return
        info = self.log(which).append_batches(data)
        offset = twin.append("data", producer, epoch, sequence, count, txn, count=count)
        assert (info.base_offset, info.last_offset, info.duplicate) == (
            offset,
            offset + count - 1,
            False,
        )

    @rule(which=st.booleans(), producer=PRODUCERS, back=st.integers(1, 5))
    def send_again(self, which: bool, producer: int, back: int) -> None:
        data = self.twin.data(producer)
        if len(data) < back:
            return
        _, _, epoch, sequence, count, txn, offset = data[-back]
        if back > 1 and offset < self.forgotten_below:
            return
        info = self.log(which).append_batches(
            batch(producer, sequence, count, epoch=epoch, transactional=txn)
        )
        assert (info.base_offset, info.last_offset, info.duplicate) == (
            offset,
            offset + count - 1,
            True,
        )

    @rule(which=st.booleans(), producer=PRODUCERS, skip=st.integers(1, 9))
    def gap(self, which: bool, producer: int, skip: int) -> None:
        epoch = self.twin.epoch(producer)
        if epoch < 0:
            return
        sequence = self.twin.next_sequence(producer) + skip
        with pytest.raises(errors.OutOfOrderSequence):
            self.log(which).append_batches(
                batch(producer, sequence, epoch=epoch, transactional=True)
            )

    @rule(which=st.booleans(), producer=PRODUCERS)
    def bump(self, which: bool, producer: int) -> None:
        """A marker of the next epoch ends what is open, and fences the one before."""
        epoch = max(self.twin.epoch(producer), 0)
        if epoch > 3:
            return
        self.log(which).append_raw(marker(producer, commit=False, epoch=epoch + 1))
        self.twin.append("marker", producer, epoch + 1, False)
        with pytest.raises(errors.InvalidProducerEpoch):
            self.log(not which).append_batches(batch(producer, 0, epoch=epoch))

    @rule(which=st.booleans(), producer=PRODUCERS, commit=st.booleans())
    def end(self, which: bool, producer: int, commit: bool) -> None:
        epoch = max(self.twin.epoch(producer), 0)
        was_open = producer in self.twin.open()
        [offset] = complete(
            None,
            [self.log(which)],
            producer_id=producer,
            producer_epoch=epoch,
            commit=commit,
        )
        if was_open:
            assert offset == self.twin.append("marker", producer, epoch, commit)
        else:
            assert offset == -1

    @rule(which=st.booleans(), single=st.booleans())
    def plain(self, which: bool, single: bool) -> None:
        log = self.log(which)
        offset = log.append(b"plain") if single else log.append_many([b"plain"])
        assert offset == self.twin.append("plain")

    @rule(which=st.booleans())
    def roll(self, which: bool) -> None:
        self.log(which).roll()

    @rule(which=st.booleans(), share=st.floats(0, 1))
    def delete(self, which: bool, share: float) -> None:
        log = self.log(which)
        log.set_start_offset(
            log.start_offset + int((log.end_offset - log.start_offset) * share / 2)
        )
        log.delete_old_segments()

    @rule()
    def reopen(self) -> None:
        for handle in self.handles:
            handle.close()
        self.forgotten_below = self.twin.end
        self.open()

    @rule(lose_state=st.booleans())
    def kill(self, lose_state: bool) -> None:
        self.generation += 1
        killed = as_after_kill(self.where, self.home / str(self.generation))
        for handle in self.handles:
            handle.close()
        self.where = killed
        self.forgotten_below = self.twin.end
        start = self.start
        if lose_state:
            (killed / "t-0" / "logflume.state").unlink()
        self.open()
        self.forget_as_it_did(start)
        if lose_state:
            self.log(False).set_start_offset(start)

    def forget_as_it_did(self, start: int) -> None:
        """How much depends on the snapshots that are left: all of it may be known, or what some snapshot has."""
        before = copy.deepcopy(self.twin)
        for since in range(start, -1, -1):
            self.twin = copy.deepcopy(before)
            self.twin.forget(since, start)
            if self.knows(self.log(False)):
                return
        self.twin = before  # and `all_agree` says where they differ

    def knows(self, log: Any) -> bool:
        twin = self.twin
        known = {p.producer_id: (p.epoch, p.last_sequence) for p in log.producers()}
        opened = {t.producer_id: t.first_offset for t in log.open_transactions()}
        return opened == twin.open() and known == {
            producer: (twin.epoch(producer), twin.next_sequence(producer) - 1)
            for producer in range(4)
            if twin.of(producer)
        }

    @property
    def start(self) -> int:
        return int(self.kept_start)

    kept_start = 0

    @invariant()
    def all_agree(self) -> None:
        if not self.handles:
            return
        twin = self.twin
        for handle in self.handles:
            log = handle.log
            self.kept_start = log.start_offset
            assert log.end_offset == twin.end
            assert log.last_stable_offset == twin.stable(log.start_offset)
            assert {t.producer_id: t.first_offset for t in log.open_transactions()} == twin.open()
            known = {p.producer_id: (p.epoch, p.last_sequence) for p in log.producers()}
            assert known == {
                producer: (twin.epoch(producer), twin.next_sequence(producer) - 1)
                for producer in range(4)
                if twin.of(producer)
            }

    @precondition(lambda self: self.handles)
    @rule(share=st.floats(0, 1), size=st.integers(1, 50))
    def read(self, share: float, size: int) -> None:
        log = self.log(False)
        start = log.start_offset
        at = start + int((log.end_offset - start) * share)
        reader, values = log.reader(at, read_committed=True), []
        while rows := [bytes(record.value) for record in reader.read(size)]:
            values += rows
        assert values == self.twin.committed(at)
        aborted = [
            a for a in self.twin.aborted() if a[2] >= at and a[2] >= log.segments()[0].base_offset
        ]
        found = [tuple(a) for a in log.aborted(at, log.end_offset)]
        assert found == aborted

    def teardown(self) -> None:
        for handle in self.handles:
            handle.close()
        shutil.rmtree(self.home)


TestProducers = ProducerModel.TestCase
TestProducers.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)
