"""Writers and readers that do random things, a step at a time, and write down what they did and were told."""

from __future__ import annotations

import random
from typing import Any

from checker.history import Recorder
from checker.ports import AbortedForGood, Log

__all__ = ["ACTORS", "Actor", "Mover", "PlainWriter", "Reading", "TxnWriter", "Watcher", "make"]


class Actor:
    """`step` does one thing, `finish` ends what is under way. `name` is unique, `slot` its successors have too."""

    def __init__(
        self, log: Log, recorder: Recorder, rng: random.Random, name: str, places: list[str]
    ) -> None:
        self.log, self.recorder, self.rng, self.name, self.places = log, recorder, rng, name, places
        self.slot = name.partition("'")[0]
        self.numbers = 0
        self.pending: list[tuple[str, Any]] = []

    def note(self, kind: str, **data: Any) -> None:
        self.recorder.note(self.name, kind, **data)

    def step(self) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        """Ends in good order."""

    # ---- sending, which several do

    writer: Any = None
    txn: str | None = None

    def send(self, place: str, source: tuple[str, int] | None = None) -> None:
        ident = f"{self.name}.{self.numbers}"
        self.numbers += 1
        self.note("send", id=ident, place=place, txn=self.txn, source=source)
        try:
            self.pending.append((ident, self.writer.send(place, ident)))
        except AbortedForGood as error:
            self.note("refused", id=ident, why=str(error))
            raise

    def collect(self) -> None:
        """Waits for what was sent."""
        pending, self.pending = self.pending, []
        for ident, delivery in pending:
            try:
                offset = self.writer.result(delivery)
            except AbortedForGood as error:
                self.note("refused", id=ident, why=str(error))
                raise
            self.note("acked", id=ident, offset=offset)


class PlainWriter(Actor):
    """Sends without transactions, several at a time, and asks for their offsets now or later."""

    def step(self) -> None:
        if self.writer is None:
            self.writer = self.log.writer(self.slot, transactional=False)
        for _ in range(self.rng.choice([1, 1, 2, 4])):
            self.send(self.rng.choice(self.places))
        if self.rng.random() < 0.7:
            self.collect()

    def finish(self) -> None:
        if self.writer is not None:
            self.collect()
            self.writer.close()


class Transactional(Actor):
    """What writers with transactions share. A new one fences the one before it in its slot."""

    txns = 0

    def begin(self) -> None:
        name = f"{self.name}:{self.txns}"
        self.txns += 1
        if self.writer is None:
            self.writer = self.log.writer(self.slot, transactional=True)
        self.writer.begin()
        self.txn = name
        self.note("begin", txn=name)

    def end(self, *, commit: bool) -> bool:
        """Whether it was committed."""
        txn, self.txn = self.txn, None
        self.note("commit" if commit else "abort", txn=txn)
        try:
            (self.writer.commit if commit else self.writer.abort)()
        except AbortedForGood:
            self.note("aborted", txn=txn)
            raise
        # What was sent before a commit is there once it returns; ask afterwards, as users may.
        if commit:
            self.collect()
        self.pending.clear()
        self.note("committed" if commit else "aborted", txn=txn)
        return commit

    def fenced(self) -> None:
        """Somebody took over: begin anew with a writer of our own."""
        if self.txn is not None:
            self.note("aborted", txn=self.txn)
        self.txn = None
        self.pending.clear()
        self.writer.close()
        self.writer = None

    def step(self) -> None:
        try:
            self.act()
        except AbortedForGood:
            self.fenced()

    def act(self) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        try:
            if self.txn is not None:
                self.end(commit=self.rng.random() < 0.5)
        except AbortedForGood:
            self.fenced()
        if self.writer is not None:
            self.writer.close()


class TxnWriter(Transactional):
    """Transactions over several partitions, committed or aborted."""

    def act(self) -> None:
        if self.txn is None:
            self.begin()
            return
        dice = self.rng.random()
        if dice < 0.65:
            for _ in range(self.rng.choice([1, 2, 3])):
                self.send(self.rng.choice(self.places))
        elif dice < 0.75:
            self.collect()
        else:
            self.end(commit=dice < 0.93)


class Mover(Transactional):
    """Makes a record of each record of the first place, and stores the group's offsets with them."""

    reader: Any = None
    group = "movers"

    def act(self) -> None:
        if self.writer is None:
            # First the writer: what the one before it has left is decided then, and the stored offsets stand.
            self.writer = self.log.writer(self.slot, transactional=True)
        if self.reader is None:
            self.reader = self.log.reader(self.places[:1], committed=True, group=self.group)
        if self.txn is None:
            got = self.reader.poll(self.rng.choice([1, 3, 10]))
            if not got.rows:
                return
            self.begin()
            for place, offset, _ in got.rows:
                self.send(self.rng.choice(self.places[1:]), source=(place, offset))
            offsets = self.writer.offsets(self.reader)
            self.note("offsets", txn=self.txn, group=self.group, offsets=offsets)
        elif not self.end(commit=self.rng.random() < 0.8):
            self.reader.rewind()

    def fenced(self) -> None:
        super().fenced()
        self.reader.close()
        self.reader = None

    def finish(self) -> None:
        super().finish()
        if self.reader is not None:
            self.reader.close()


class Reading(Actor):
    """Reads all places from the start on, or again from the start."""

    committed = True
    reader: Any = None
    readers = 0
    last = False

    def step(self) -> None:
        if self.reader is None or (not self.last and self.rng.random() < 0.05):
            self._open()
        most = 1_000_000 if self.last else self.rng.choice([1, 2, 5, 20, 100, 100])
        self.poll(most)

    def _open(self) -> None:
        if self.reader is not None:
            self.reader.close()
        self.reader = self.log.reader(self.places, committed=self.committed, group=None)
        self.readers += 1
        start = self.reader.start()
        self.label = f"{self.name}/{self.readers}"
        self.note("open", reader=self.label, committed=self.committed, start=start, last=self.last)

    def poll(self, most: int) -> bool:
        """Whether there was no more."""
        import time

        began = time.monotonic_ns()
        got = self.reader.poll(most)
        self.note(
            "poll",
            reader=self.label,
            began=began,
            rows=got.rows,
            positions=got.positions,
            whole=got.whole,
        )
        return bool(got.whole)

    def finish(self) -> None:
        if self.reader is not None:
            self.reader.close()


class ReadingAll(Reading):
    """With the records of open and aborted transactions."""

    committed = False


class Watcher(Actor):
    """Looks at last stable offsets and ends."""

    last = False

    def step(self) -> None:
        import time

        began = time.monotonic_ns()
        ends = self.log.limits(self.places)
        self.note("limits", began=began, ends=ends, last=self.last)


ACTORS: dict[str, type[Actor]] = {
    "plain": PlainWriter,
    "txn": TxnWriter,
    "mover": Mover,
    "committed": Reading,
    "all": ReadingAll,
    "watch": Watcher,
}


def make(log: Log, recorder: Recorder, rng: random.Random, name: str, places: list[str]) -> Actor:
    """The actor that its name asks for: "txn1" and "txn1'2", its successor, are TxnWriters."""
    kind = name.partition("'")[0].rstrip("0123456789")
    return ACTORS[kind](log, recorder, rng, name, places)


def last_look(log: Log, recorder: Recorder, places: list[str], groups: list[str]) -> None:
    """After everything ended: settle, read everything under both isolations, look at the limits."""
    log.settle()
    rng = random.Random(0)
    for kind in ("all", "committed"):
        reader = make(log, recorder, rng, kind, places)
        assert isinstance(reader, Reading)
        reader.last = True
        reader.name = f"last-{kind}"
        reader.step()
        while not reader.poll(1_000_000):
            pass
        reader.finish()
    for group in groups:
        recorder.note("last", "stands", group=group, offsets=log.stands(group, places[:1]))
    watcher = Watcher(log, recorder, rng, "last-watch", places)
    watcher.last = True
    watcher.step()
