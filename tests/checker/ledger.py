"""A history sorted by what it is about: writes, transactions, readers, places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from checker.history import Event

__all__ = ["ABORTED", "COMMITTED", "UNKNOWN", "Fault", "Ledger", "Poll", "Reader", "Txn", "Write"]

NEVER = 1 << 62
COMMITTED, ABORTED, UNKNOWN = "committed", "aborted", "unknown"


class Fault(NamedTuple):
    """What is wrong, and where to look."""

    kind: str
    text: str


@dataclass
class Write:
    id: str
    place: str
    txn: str | None
    sent_at: int
    source: tuple[str, int] | None = None
    acked_at: int = NEVER
    offset: int | None = None
    """As acknowledged, or as somebody read it."""

    @property
    def actor(self) -> str:
        return self.id.rpartition(".")[0]

    @property
    def number(self) -> int:
        return int(self.id.rpartition(".")[2])


@dataclass
class Txn:
    name: str
    writes: list[Write] = field(default_factory=list)
    offsets: list[tuple[str, dict[str, int]]] = field(default_factory=list)
    commit_at: int = NEVER
    committed_at: int = NEVER
    aborted_at: int = NEVER

    @property
    def outcome(self) -> str:
        """As its writer knows it. Without a request to commit nothing can have committed it."""
        if self.committed_at != NEVER:
            return COMMITTED
        if self.aborted_at != NEVER or self.commit_at == NEVER:
            return ABORTED
        return UNKNOWN

    @property
    def ended_at(self) -> int:
        """From here on it cannot be open any more."""
        return min(self.committed_at, self.aborted_at)


@dataclass
class Poll:
    began: int
    at: int
    rows: list[tuple[str, int, str]]
    positions: dict[str, int]
    whole: bool


@dataclass
class Reader:
    name: str
    committed: bool
    start: dict[str, int]
    last: bool
    polls: list[Poll] = field(default_factory=list)

    def rows(self) -> Iterable[tuple[str, int, str]]:
        return (row for poll in self.polls for row in poll.rows)


class Ledger:
    """Everything the rules ask about. `faults` has what shows up while sorting."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.writes: dict[str, Write] = {}
        self.txns: dict[str, Txn] = {}
        self.readers: dict[str, Reader] = {}
        self.at: dict[str, dict[int, str]] = {}
        """Place to offset to id, from all acknowledgements and reads."""
        self.limits: list[Event] = []
        self.stands: dict[str, dict[str, int]] = {}
        self.faults: list[Fault] = []
        for event in events:
            getattr(self, f"_{event.kind}", self._ignore)(event)
        self._outcomes()

    def fault(self, kind: str, text: str) -> None:
        self.faults.append(Fault(kind, text))

    def _ignore(self, event: Event) -> None:
        assert event.kind in {"killed", "paused", "resumed", "refused", "abort", "unsure"}, event

    def _send(self, event: Event) -> None:
        data = event.data
        source = tuple(data["source"]) if data.get("source") else None
        write = Write(data["id"], data["place"], data["txn"], event.at, source)
        assert write.id not in self.writes, f"{write.id} is used twice"
        self.writes[write.id] = write
        if write.txn is not None:
            self.txns[write.txn].writes.append(write)

    def _acked(self, event: Event) -> None:
        write = self.writes[event.data["id"]]
        write.acked_at = event.at
        self._place(write.place, event.data["offset"], write.id, "acknowledged")

    def _place(self, place: str, offset: int, ident: str, how: str) -> None:
        """One more who says that `id` lies there."""
        there = self.at.setdefault(place, {})
        if there.setdefault(offset, ident) != ident:
            self.fault(
                "divergent", f"{place}@{offset} {how} as {ident}, but {there[offset]} is there"
            )
        write = self.writes.get(ident)
        if write is None or write.place != place:
            self.fault("phantom", f"{ident} {how} at {place}@{offset}: nobody sent it there")
        elif write.offset is None:
            write.offset = offset
        elif write.offset != offset:
            self.fault("duplicate", f"{ident} is at {place}@{write.offset}, and {how} at {offset}")

    def _begin(self, event: Event) -> None:
        self.txns[event.data["txn"]] = Txn(event.data["txn"])

    def _offsets(self, event: Event) -> None:
        self.txns[event.data["txn"]].offsets.append((event.data["group"], event.data["offsets"]))

    def _commit(self, event: Event) -> None:
        self.txns[event.data["txn"]].commit_at = event.at

    def _committed(self, event: Event) -> None:
        self.txns[event.data["txn"]].committed_at = event.at

    def _aborted(self, event: Event) -> None:
        self.txns[event.data["txn"]].aborted_at = event.at

    def _open(self, event: Event) -> None:
        data = event.data
        reader = Reader(data["reader"], data["committed"], data["start"], data.get("last", False))
        self.readers[reader.name] = reader

    def _poll(self, event: Event) -> None:
        data = event.data
        rows = [tuple(row) for row in data["rows"]]
        poll = Poll(data["began"], event.at, rows, data["positions"], data["whole"])
        self.readers[data["reader"]].polls.append(poll)
        for place, offset, ident in rows:
            self._place(place, offset, ident, f"read by {data['reader']}")

    def _limits(self, event: Event) -> None:
        self.limits.append(event)

    def _failed(self, event: Event) -> None:
        self.fault("failed", f"{event.data['whom']}: {event.data['why']}")

    def _stands(self, event: Event) -> None:
        self.stands[event.data["group"]] = event.data["offsets"]

    def _outcomes(self) -> None:
        """What became of transactions whose writer was not told: what committed readers saw decides."""
        seen = {ident for r in self.readers.values() if r.committed for _, _, ident in r.rows()}
        self.seen_committed = seen
        self.outcome: dict[str, str] = {}
        ended = any(reader.last for reader in self.readers.values())
        for txn in self.txns.values():
            outcome = txn.outcome
            if outcome == UNKNOWN and any(write.id in seen for write in txn.writes):
                outcome = COMMITTED
            elif outcome == UNKNOWN and ended and txn.writes:
                outcome = ABORTED
            self.outcome[txn.name] = outcome

    def visible(self, ident: str) -> bool:
        """Whether a read_committed reader has to be shown this write, once its transaction has ended."""
        txn = self.writes[ident].txn
        return txn is None or self.outcome[txn] == COMMITTED

    def final(self, *, committed: bool) -> list[Reader]:
        """Those who read everything after everything had ended."""
        return [r for r in self.readers.values() if r.last and r.committed == committed]


def places_of(reader: Reader, offsets: Mapping[str, int]) -> set[str]:
    return set(reader.start) & set(offsets)
