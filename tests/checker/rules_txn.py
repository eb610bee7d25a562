"""What transactions promise: all or nothing, to everybody, at once, and no waiting for the dead."""

from __future__ import annotations

from collections import Counter

from checker.history import Event
from checker.ledger import ABORTED, COMMITTED, NEVER, Ledger, Reader, Write

__all__ = ["aborted_reads", "group_offsets", "limits", "stale", "stuck", "torn"]


def aborted_reads(ledger: Ledger) -> None:
    """A committed reader is given nothing of a transaction that was not committed, or not yet."""
    for reader in ledger.readers.values():
        if not reader.committed:
            continue
        for poll in reader.polls:
            for place, offset, ident in poll.rows:
                write = ledger.writes.get(ident)
                if write is None or write.txn is None:
                    continue
                txn = ledger.txns[write.txn]
                if ledger.outcome[txn.name] == ABORTED:
                    ledger.fault("aborted-read", f"{reader.name}: {ident} of {txn.name} at {place}")
                elif poll.at < txn.commit_at:
                    ledger.fault(
                        "dirty-read",
                        f"{reader.name}: {ident} of {txn.name} at {place}@{offset}, before its commit was asked for",
                    )


def torn(ledger: Ledger) -> None:
    """A poll after which nothing more was there is a snapshot: each transaction wholly, or not at all."""
    for reader in ledger.readers.values():
        if not reader.committed:
            continue
        seen: set[str] = set()
        begun: dict[str, None] = {}
        for poll in reader.polls:
            for _, _, ident in poll.rows:
                seen.add(ident)
                write = ledger.writes.get(ident)
                if write is not None and write.txn is not None:
                    begun[write.txn] = None
            if poll.whole:
                for name in list(begun):
                    if _whole(ledger, reader, name, seen):
                        del begun[name]


def _whole(ledger: Ledger, reader: Reader, name: str, seen: set[str]) -> bool:
    """Whether all of the transaction was seen; what is missing is a fault."""
    missing = [
        write
        for write in ledger.txns[name].writes
        if write.id not in seen
        and write.place in reader.start
        and (write.offset is None or write.offset >= reader.start[write.place])
    ]
    for write in missing:
        part = f"{write.id} at {write.place}@{write.offset}"
        ledger.fault("torn-transaction", f"{reader.name} saw {name} without {part}")
    return not missing


def hidden(ledger: Ledger, write: Write, now: int) -> bool:
    """Whether it may have been hidden at `now`: it, or a part of its transaction, lies behind another's first record,
    and that one may still have been open, or hidden itself."""
    looked_at: set[str] = set()
    ahead = [write]
    while ahead:
        one = ahead.pop()
        if one.txn is not None and one.txn not in looked_at:
            looked_at.add(one.txn)
            ahead += [part for part in ledger.txns[one.txn].writes if part is not one]
        for name, first in _firsts(ledger, one.place).items():
            if one.offset is None or first >= one.offset or name in looked_at:
                continue
            if ledger.txns[name].ended_at > now:
                return True
            looked_at.add(name)
            if ledger.outcome[name] != ABORTED:
                ahead += ledger.txns[name].writes
    return False


def _firsts(ledger: Ledger, place: str) -> dict[str, int]:
    """Each transaction's first offset in a place."""
    cache: dict[str, dict[str, int]] = ledger.__dict__.setdefault("firsts", {})
    if place not in cache:
        firsts: dict[str, int] = {}
        for offset in sorted(ledger.at.get(place, {})):
            write = ledger.writes.get(ledger.at[place][offset])
            if write is not None and write.txn is not None:
                firsts.setdefault(write.txn, offset)
        cache[place] = firsts
    return cache[place]


def stale(ledger: Ledger) -> None:
    """A poll after which nothing more was there has all that was told before it began."""
    told: dict[tuple[str, bool], list[tuple[int, int, Write]]] = {}
    for write in ledger.writes.values():
        if write.offset is None:
            continue
        txn = ledger.txns[write.txn] if write.txn is not None else None
        told.setdefault((write.place, False), []).append((write.acked_at, write.offset, write))
        if txn is None or ledger.outcome[txn.name] == COMMITTED:
            at = write.acked_at if txn is None else txn.committed_at
            told.setdefault((write.place, True), []).append((at, write.offset, write))
    for reader in ledger.readers.values():
        for poll in reader.polls:
            for place, position in poll.positions.items() if poll.whole else ():
                for at, offset, write in told.get((place, reader.committed), ()):
                    if position <= offset and at < poll.began:
                        if reader.committed and hidden(ledger, write, poll.began):
                            continue
                        ledger.fault(
                            "stale-read", f"{reader.name} at {place}@{position}: no {write.id}"
                        )


def limits(ledger: Ledger) -> None:
    """The last stable offset and the end only grow, and the one is not beyond the other."""
    before: list[Event] = []
    best: dict[str, tuple[int, int]] = {}
    for event in sorted(ledger.limits, key=lambda event: event.data["began"]):
        began = event.data["began"]
        for old in [one for one in before if one.at < began]:
            before.remove(old)
            for place, (stable, end) in old.data["ends"].items():
                low, high = best.get(place, (0, 0))
                best[place] = max(low, stable), max(high, end)
        for place, (stable, end) in event.data["ends"].items():
            low, high = best.get(place, (0, 0))
            if stable < low or end < high or stable > end:
                ledger.fault("going-back", f"{place}: {stable}, {end} after {low}, {high}")
        before.append(event)


def stuck(ledger: Ledger) -> None:
    """After everything has ended, nothing is unstable any more, and a committed reader gets to the end."""
    for event in ledger.limits:
        if not event.data.get("last"):
            continue
        for place, (stable, end) in event.data["ends"].items():
            if stable < end:
                ledger.fault("stuck-lso", f"{place} is stable up to {stable} of {end}")
            for reader in ledger.final(committed=True):
                position = reader.polls[-1].positions.get(place, end) if reader.polls else end
                if position < end:
                    ledger.fault(
                        "stuck-lso", f"{reader.name} stands at {place}@{position} of {end}"
                    )


def group_offsets(ledger: Ledger) -> None:
    """Records made of others: each of those that the group's stored offsets have passed, once, and no other."""
    for group, offsets in ledger.stands.items():
        made = Counter(
            write.source
            for txn in ledger.txns.values()
            if ledger.outcome[txn.name] == COMMITTED and any(g == group for g, _ in txn.offsets)
            for write in txn.writes
            if write.source is not None
        )
        for (place, offset), count in made.items():
            if count > 1:
                ledger.fault("duplicate", f"{group} made {count} records of {place}@{offset}")
            if offset >= offsets.get(place, 0):
                ledger.fault("torn-transaction", f"{group}: offset {place}@{offset} not stored")
        for place, end in offsets.items():
            for offset, ident in ledger.at.get(place, {}).items():
                if offset < end and (place, offset) not in made and ledger.visible(ident):
                    ledger.fault(
                        "lost-write", f"{group} made nothing of {ident} at {place}@{offset}"
                    )


def told_apart(ledger: Ledger) -> dict[str, int]:
    """How many transactions ended in which way: a history of only one kind says little."""
    return dict(Counter(ledger.outcome.values())) | {
        "told": sum(txn.ended_at != NEVER for txn in ledger.txns.values())
    }
