"""A log in memory, slow and obvious: a list for each partition. It can be told to do one thing wrong.

It serves to plant faults that the analysis has to find. Not thread-safe: actors take turns.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from checker.ports import AbortedForGood, Got

__all__ = ["FAULTS", "Twin", "TwinLog"]

# What can be wrong with the twin, and the kinds of which the analysis then names at least one.
FAULTS: dict[str, set[str]] = {
    "acknowledges and drops": {"lost-write"},
    "forgets a committed partition": {"torn-transaction", "lost-write"},
    "shows aborted records": {"aborted-read"},
    "ignores the last stable offset": {"dirty-read", "aborted-read"},
    "commits partition by partition": {"torn-transaction"},
    "hides only what lies behind open ones": {"torn-transaction"},
    "commits what a dead one left in part": {"torn-transaction"},
    "settles the dead as committed": {"aborted-read"},
    "retries without sequence numbers": {"duplicate"},
    "retries behind later ones": {"reordered"},
    "passes a record": {"skipped"},
    "hands out a record twice": {"duplicate"},
    "says there is no more": {"stale-read"},
    "leaves the dead one's transaction open": {"stuck-lso"},
    "leaves an aborted transaction open": {"stuck-lso"},
    "gives an offset twice": {"divergent", "lost-write"},
    "makes a record up": {"phantom"},
    "stores offsets at once": {"torn-transaction", "lost-write"},
    "forgets stored offsets": {"duplicate", "torn-transaction"},
    "lets the last stable offset go back": {"going-back"},
    "lets a fenced one write": {"aborted-read", "torn-transaction"},
}


@dataclass
class Entry:
    id: str | None
    """None: a marker."""
    txn: int


@dataclass
class Open:
    """A transaction: number, first offset by place."""

    number: int
    owner: str
    firsts: dict[str, int] = field(default_factory=dict)
    offsets: dict[str, dict[str, int]] = field(default_factory=dict)


class Twin:
    """The shared truth."""

    def __init__(self, places: list[str], rng: random.Random, fault: str = "") -> None:
        assert not fault or fault in FAULTS, fault
        self.rng, self.fault = rng, fault
        self.entries: dict[str, list[Entry]] = {place: [] for place in places}
        self.open: dict[int, Open] = {}
        self.aborted: set[int] = set()
        self.stored: dict[str, dict[str, int]] = {}
        self.later: list[Callable[[], None]] = []
        self.numbers = 0
        self.epochs: dict[str, int] = {}

    def wrong(self, fault: str, chance: float = 0.3) -> bool:
        return self.fault == fault and self.rng.random() < chance

    def stable(self, place: str) -> int:
        """Behind open transactions nothing is seen, and nothing of a committed one of which a part is not."""
        ends = {
            at: min(
                [one.firsts[at] for one in self.open.values() if at in one.firsts],
                default=len(entries),
            )
            for at, entries in self.entries.items()
        }
        if self.fault == "hides only what lies behind open ones":
            return ends[place]
        while hidden := self._torn(ends):
            for at, entries in self.entries.items():
                first = next((i for i, one in enumerate(entries) if one.txn in hidden), ends[at])
                ends[at] = min(ends[at], first)
        return ends[place]

    def _torn(self, ends: dict[str, int]) -> set[int]:
        """Committed transactions of which only a part lies below the ends."""
        seen, hidden = set(), set()
        for at, entries in self.entries.items():
            for i, one in enumerate(entries):
                if (
                    one.txn
                    and one.id is not None
                    and one.txn not in self.aborted | self.open.keys()
                ):
                    (seen if i < ends[at] else hidden).add(one.txn)
        return seen & hidden

    def begin(self, owner: str) -> Open:
        self.numbers += 1
        self.open[self.numbers] = made = Open(self.numbers, owner)
        return made

    def append(self, place: str, ident: str, txn: Open | None) -> int:
        entries = self.entries[place]
        offset = len(entries)
        if self.wrong("acknowledges and drops", 0.1):
            return offset
        if self.wrong("gives an offset twice", 0.1) and entries:
            entries.pop()
            offset -= 1
        if txn is not None:
            txn.firsts.setdefault(place, offset)
        entries.append(Entry(ident, txn.number if txn else 0))
        if self.wrong("retries without sequence numbers", 0.1):
            entries.append(Entry(ident, txn.number if txn else 0))
        return offset

    def end(self, txn: Open, *, commit: bool) -> None:
        """All partitions at once, and the group's offsets with them."""
        if not commit:
            if self.wrong("leaves an aborted transaction open", 0.5) and txn.firsts:
                return
            self.aborted.add(txn.number)
        places = sorted(txn.firsts)
        if commit and self.wrong("commits partition by partition", 0.7) and len(places) > 1:
            for place in places[1:]:
                self.later.append(lambda place=place: self.mark(txn, place))  # type: ignore[misc]
            places = places[:1]
        if commit and self.wrong("forgets a committed partition") and places:
            gone = places[-1]
            self.entries[gone] = [
                Entry(None, 0) if entry.txn == txn.number else entry for entry in self.entries[gone]
            ]
        for place in places:
            self.mark(txn, place)
        if not txn.firsts:
            self.open.pop(txn.number, None)
        if commit and not self.wrong("forgets stored offsets", 0.5):
            for group, offsets in txn.offsets.items():
                self.stored.setdefault(group, {}).update(offsets)

    def mark(self, txn: Open, place: str) -> None:
        if txn.firsts.pop(place, None) is not None:
            self.entries[place].append(Entry(None, txn.number))
        if not txn.firsts:
            self.open.pop(txn.number, None)

    def settle(self, owner: str) -> None:
        """Ends what a dead one, or one that was replaced, left open."""
        for txn in [one for one in self.open.values() if one.owner == owner]:
            if self.wrong("leaves the dead one's transaction open", 1.0):
                continue
            if self.wrong("commits what a dead one left in part", 1.0) and len(txn.firsts) > 1:
                self.mark(txn, min(txn.firsts))  # this part counts as committed, the rest is gone
                for place in list(txn.firsts):
                    for entry in self.entries[place]:
                        if entry.txn == txn.number:
                            entry.id = None
                self.end(txn, commit=True)
            else:
                self.end(txn, commit=self.wrong("settles the dead as committed", 1.0))


class TwinLog:
    """One actor's view. `kill` leaves its transactions open until somebody settles."""

    def __init__(self, twin: Twin, owner: str) -> None:
        self.twin, self.owner = twin, owner

    def writer(self, name: str, *, transactional: bool) -> TwinWriter:
        if transactional:
            self.twin.settle(name)
            self.twin.epochs[name] = self.twin.epochs.get(name, 0) + 1
        return TwinWriter(self.twin, name, self.twin.epochs.get(name, 0))

    def reader(self, places: list[str], *, committed: bool, group: str | None) -> TwinReader:
        return TwinReader(self.twin, places, committed=committed, group=group)

    def limits(self, places: list[str]) -> dict[str, tuple[int, int]]:
        twin = self.twin
        back = twin.wrong("lets the last stable offset go back")
        return {
            place: (max(0, twin.stable(place) - 2 * back), len(twin.entries[place]))
            for place in places
        }

    def stands(self, group: str, places: list[str]) -> dict[str, int]:
        return {place: self.twin.stored.get(group, {}).get(place, 0) for place in places}

    def settle(self) -> None:
        """Whoever reads at the end settles what the dead left."""
        self.tick()
        for owner in {one.owner for one in self.twin.open.values()}:
            self.twin.settle(owner)

    def tick(self) -> None:
        """What the sabotaged twin put off."""
        later, self.twin.later = self.twin.later, []
        for call in later:
            call()

    def close(self) -> None:
        pass


class TwinWriter:
    def __init__(self, twin: Twin, name: str, epoch: int) -> None:
        self.twin, self.name, self.epoch = twin, name, epoch
        self.txn: Open | None = None
        self.held: tuple[str, str] | None = None

    def _fenced(self) -> bool:
        """Somebody with the same name came; what this one then sends is refused."""
        return self.epoch != self.twin.epochs.get(self.name, 0)

    def send(self, place: str, ident: str) -> Any:
        twin = self.twin
        if self._fenced():
            if not twin.wrong("lets a fenced one write", 1.0):
                raise AbortedForGood("fenced")
            # It lands in the transaction of the one who came after it.
            own = [one for one in twin.open.values() if one.owner == self.name]
            return twin.append(place, ident, own[0] if own else None)
        if twin.wrong("retries behind later ones", 0.2) and self.held is None:
            self.held = place, ident
            return self
        offset = twin.append(place, ident, self.txn)
        self._send_held()
        return offset

    def _send_held(self) -> None:
        if self.held is not None:
            (place, ident), self.held = self.held, None
            self.late = self.twin.append(place, ident, self.txn)

    def result(self, delivery: Any) -> int:
        if delivery is self:
            self._send_held()
            return self.late
        return int(delivery)

    def begin(self) -> None:
        if self._fenced():
            raise AbortedForGood("fenced")
        self.txn = self.twin.begin(self.name)

    def _end(self, *, commit: bool) -> None:
        assert self.txn is not None
        if self._fenced():
            raise AbortedForGood("fenced")
        self._send_held()
        self.twin.end(self.txn, commit=commit)
        self.txn = None

    def commit(self) -> None:
        self._end(commit=True)

    def abort(self) -> None:
        self._end(commit=False)

    def offsets(self, reader: Any) -> dict[str, int]:
        assert self.txn is not None
        offsets = dict(reader.positions)
        if self.twin.wrong("stores offsets at once", 1.0):
            self.twin.stored.setdefault(reader.group, {}).update(offsets)
        else:
            self.txn.offsets[reader.group] = offsets
        return offsets

    def close(self) -> None:
        if self.txn is not None and not self._fenced():
            self.abort()


class TwinReader:
    def __init__(
        self, twin: Twin, places: list[str], *, committed: bool, group: str | None
    ) -> None:
        self.twin, self.committed, self.group = twin, committed, group
        self.places = places
        self.rewind()

    def start(self) -> dict[str, int]:
        return dict(self.positions)

    def rewind(self) -> None:
        """To what the group stored."""
        stored = self.twin.stored.get(self.group or "", {})
        self.positions = {place: stored.get(place, 0) for place in self.places}

    def poll(self, most: int) -> Got:
        twin, rows = self.twin, []
        if twin.wrong("says there is no more"):
            return Got([], dict(self.positions), whole=True)
        whole = True
        for place in self.places:
            entries = twin.entries[place]
            end = len(entries)
            if self.committed and not twin.wrong("ignores the last stable offset", 1.0):
                end = twin.stable(place)
            while self.positions[place] < end:
                if len(rows) == most:
                    whole = False
                    break
                offset = self.positions[place]
                entry = entries[offset]
                self.positions[place] += 1
                hidden = self.committed and entry.txn in twin.aborted
                if entry.id is None or (hidden and not twin.wrong("shows aborted records", 1.0)):
                    continue
                if not twin.wrong("passes a record", 0.05):
                    made_up = twin.wrong("makes a record up", 0.05)
                    rows.append((place, offset, "nobody.0" if made_up else entry.id))
                if twin.wrong("hands out a record twice", 0.05):
                    rows.append((place, offset, entry.id))
        return Got(rows, dict(self.positions), whole)

    def close(self) -> None:
        pass
