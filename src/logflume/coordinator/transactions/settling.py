"""Ending transactions whose producer is gone or late, so that no reader waits for ever."""

from __future__ import annotations

import math
import time

from logflume.errors import TransactionInDoubt
from logflume.observe import get_logger

from .entry import EPOCH_MAX, Entry, State
from .external import ask
from .redo import REDO_HEADER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from logflume._native.partition import Partition
    from logflume.types import OpenTransaction

    from .room import Room
    from .state_log import StateLog

__all__ = ["decide", "is_owned", "quieten", "settle", "settle_one"]

_logger = get_logger(__name__)

_TELL_S = 60.0
_TOLD_MAX = 1000
_COMMIT_MS = 1000  # what a living producer's commit may take before others finish it for him


def settle(room: Room, partitions: Iterable[Partition]) -> int:
    """End what is undecided in these partitions and can be: returns how many were ended.

    A transaction is left alone while its producer lives, or is a broker's client, and its time is not over.
    """
    undecided = [p for p in partitions if p.last_stable_offset < p.end_offset]
    if not undecided:
        return 0
    ended = 0
    with room.locked() as log:
        if room.held.is_used(room.open()):
            # What is waited for may lie in other partitions.
            undecided = list({*undecided, *room.known(room.held.places())})
        for partition in undecided:
            for found in partition.open_transactions():
                ended += settle_one(room, log, partition, found)
        room.let_go()
    return ended


def settle_one(room: Room, log: StateLog, partition: Partition, found: OpenTransaction) -> int:
    """End one that is undecided in a partition, if it can be; 1 when it was. The mutex is held."""
    now = room.now_ms()
    entry = log.of_producer(found.producer_id)
    if entry is None:
        # Not begun here: a mirror's, say, whose marker is on its way.
        if now - found.last_timestamp <= room.directory.config.transaction_max_timeout_ms:
            return 0
        room.mark([partition], found.producer_id, found.epoch, commit=False)
        return 1
    mine = entry.ends(found.producer_id, found.epoch)
    if mine and entry.state.is_decided:
        if is_owned(room, entry) and now - entry.updated_ms <= _COMMIT_MS:
            return 0
        room.finish(log, entry)
        return 1
    if mine and entry.state is State.ONGOING:
        if (entry.is_clients or is_owned(room, entry)) and not entry.is_timed_out(now):
            return 0
        try:
            entry = decide(room, log, entry)
        except TransactionInDoubt as error:
            _tell(room, error)
            return 0
        if entry.state is State.COMPLETE_COMMIT:
            return 1
    # Nobody can commit it any more. The higher epoch keeps its producer from adding to it.
    same_id = entry.producer_id == found.producer_id
    newer = same_id and entry.producer_epoch >= found.epoch
    epoch = entry.producer_epoch if newer else min(found.epoch + 1, EPOCH_MAX)
    room.mark([partition], found.producer_id, epoch, commit=False)
    return 1


def _tell(room: Room, error: TransactionInDoubt) -> None:
    """Readers who wait come here many times a second: each of them is told of once a minute."""
    now, why = time.monotonic(), str(error)
    if now - room.told.get(why, -math.inf) >= _TELL_S:
        if len(room.told) >= _TOLD_MAX:
            room.told.clear()
        room.told[why] = now
        _logger.warning("a transaction stays open", why=why)


def decide(room: Room, log: StateLog, entry: Entry) -> Entry:
    """End an open transaction that its producer will not: as a pledge's database says, else it is aborted.

    The mutex is held. Raises TransactionInDoubt.
    """
    if entry.is_pledged and ask(entry):
        prepared = entry.prepared(entry.partitions, room.now_ms())
        log.append(prepared, [(REDO_HEADER, log.headers_of(entry).get(REDO_HEADER) or b"")])
        return room.finish(log, prepared)
    partitions = entry.partitions if entry.is_clients else ()
    entry = entry.fenced(room.now_ms())
    log.append(entry)
    room.mark(room.known(partitions), entry.producer_id, entry.producer_epoch, commit=False)
    return entry


def is_owned(room: Room, entry: Entry) -> bool:
    """Whether the producer that the entry speaks of lives, be it fenced since."""
    return any(
        room.presence.is_alive(entry.producer_id, epoch)
        for epoch in (entry.producer_epoch, entry.producer_epoch - 1)
        if epoch >= 0
    )


def quieten(room: Room, log: StateLog, entry: Entry) -> Entry:
    """Nothing of this id is open or half done when it returns; what was open is aborted. The mutex is held.

    What an embedded producer's aborted one left in partitions is ended by whoever meets it there.
    Raises TransactionInDoubt.
    """
    if entry.state.is_decided:
        return room.finish(log, entry)
    if entry.state is State.ONGOING:
        return decide(room, log, entry)
    return entry
