"""What a log owes everybody: nothing lost, nothing twice, nothing out of order, nothing passed over."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from itertools import pairwise

from checker.ledger import ABORTED, COMMITTED, NEVER, UNKNOWN, Ledger, Reader, Write

__all__ = ["lost_writes", "moves", "program_order", "real_time_order"]


def program_order(ledger: Ledger) -> None:
    """What one sends to a partition lies there in the order in which he sent it."""
    for place, there in ledger.at.items():
        last: dict[str, int] = {}
        for offset in sorted(there):
            write = ledger.writes.get(there[offset])
            if write is None:
                continue
            if write.number < last.get(write.actor, -1):
                ledger.fault("reordered", f"{place}@{offset}: {write.id} behind a later one of its")
            last[write.actor] = write.number


def real_time_order(ledger: Ledger) -> None:
    """What was acknowledged before another was sent lies before it."""
    for place, there in ledger.at.items():
        acked, ident = NEVER, ""  # the earliest acknowledgement among those behind
        for offset in sorted(there, reverse=True):
            write = ledger.writes.get(there[offset])
            if write is None:
                continue
            if acked < write.sent_at:
                ledger.fault(
                    "reordered",
                    f"{place}@{offset}: {write.id} was sent after {ident} was acknowledged, and lies before it",
                )
            if write.acked_at < acked:
                acked, ident = write.acked_at, write.id


def lost_writes(ledger: Ledger) -> None:
    """Who reads everything at the end finds all that was acknowledged or committed."""
    for reader in ledger.readers.values():
        if not reader.last:
            continue
        seen = {ident for _, _, ident in reader.rows()}
        for write in ledger.writes.values():
            if write.place not in reader.start or write.id in seen:
                continue
            promised = write.acked_at != NEVER
            if write.txn is not None:
                outcome = ledger.outcome[write.txn]
                told = ledger.txns[write.txn].committed_at != NEVER
                # That a part of one of unknown outcome is missing is a torn one, which torn() finds.
                promised = told if outcome == COMMITTED else promised and not reader.committed
            if promised:
                ledger.fault("lost-write", f"{write.id} ({write.txn or 'plain'}) in {write.place}")


def moves(ledger: Ledger) -> None:
    """A reader goes forward, and is given everything that he passes and may see, once."""
    offsets = {place: sorted(there) for place, there in ledger.at.items()}
    for reader in ledger.readers.values():
        position = dict(reader.start)
        for poll in reader.polls:
            rows = defaultdict(list)
            for place, offset, _ in poll.rows:
                rows[place].append(offset)
            for place, end in poll.positions.items():
                begin = position[place]
                _passed(ledger, reader, place, offsets.get(place, []), begin, end, rows[place])
                position[place] = end


def _passed(
    ledger: Ledger,
    reader: Reader,
    place: str,
    known: list[int],
    begin: int,
    end: int,
    given: list[int],
) -> None:
    """One poll's way through one place."""
    if end < begin:
        ledger.fault("going-back", f"{reader.name} in {place}: from {begin} to {end}")
    for one, two in pairwise(given):
        if two == one:
            ledger.fault("duplicate", f"{reader.name} was given {place}@{one} twice")
        elif two < one:
            ledger.fault("reordered", f"{reader.name} was given {place}@{one} before {two}")
    for offset in given:
        if not begin <= offset < end:
            kind = "duplicate" if offset < begin else "reordered"
            ledger.fault(
                kind, f"{reader.name} was given {place}@{offset} on the way {begin} to {end}"
            )
    there, got = ledger.at.get(place, {}), set(given)
    for offset in known[bisect_left(known, begin) : bisect_left(known, end)]:
        write = ledger.writes.get(there[offset])
        if write is not None and offset not in got and _owed(ledger, reader, write):
            ledger.fault("skipped", f"{reader.name} passed {write.id} at {place}@{offset}")


def _owed(ledger: Ledger, reader: Reader, write: Write) -> bool:
    if not reader.committed or write.txn is None:
        return True
    outcome = ledger.outcome[write.txn]
    assert outcome in (COMMITTED, ABORTED, UNKNOWN)
    return outcome == COMMITTED
