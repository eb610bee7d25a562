"""All rules over one history: a pure function."""

from __future__ import annotations

from collections.abc import Iterable

from checker import rules_log, rules_txn
from checker.history import Event
from checker.ledger import Fault, Ledger

__all__ = ["KINDS", "check"]

KINDS = {
    "lost-write": "acknowledged or committed, and not there at the end",
    "aborted-read": "a committed reader was given a record of a transaction that was not committed",
    "dirty-read": "a committed reader was given a record before its commit was asked for",
    "torn-transaction": "a snapshot shows a part of a transaction",
    "duplicate": "a record is there twice, or was given twice",
    "reordered": "records lie, or were given, in another order than they were sent",
    "skipped": "a reader passed a record that he should have been given",
    "stale-read": "a reader who was told that there is no more was not given what had been told before",
    "divergent": "two say that different records have the same offset",
    "phantom": "a record that nobody sent",
    "going-back": "an end, a last stable offset or a position became smaller",
    "failed": "a process ended with an error that it should not have met, or hung",
    "stuck-lso": "the last stable offset stays below the end though nobody writes any more",
}


def check(events: Iterable[Event]) -> list[Fault]:
    """What is wrong with a history; nothing when it could be that of a correct log."""
    ledger = Ledger(events)
    rules_log.program_order(ledger)
    rules_log.real_time_order(ledger)
    rules_log.lost_writes(ledger)
    rules_log.moves(ledger)
    rules_txn.aborted_reads(ledger)
    rules_txn.torn(ledger)
    rules_txn.stale(ledger)
    rules_txn.limits(ledger)
    rules_txn.stuck(ledger)
    rules_txn.group_offsets(ledger)
    return list(dict.fromkeys(ledger.faults))
