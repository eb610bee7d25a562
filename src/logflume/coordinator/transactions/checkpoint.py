"""Keeping the state log short: commits that are on disk in their partitions need not be told again."""

from __future__ import annotations

from logflume.config.names import TRANSACTIONS_TOPIC
from logflume.errors import UnknownTopicOrPartition

from .entry import State
from .settling import is_owned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .room import Room
    from .state_log import StateLog

__all__ = ["advance", "checkpoint", "is_due"]


def is_due(room: Room, log: StateLog) -> bool:
    """Whether the state log has grown past what the directory allows. Its files are looked at now and then only."""
    size_max = room.directory.config.transaction_state_log_segment_bytes
    if log.appended_bytes < size_max >> 4:
        return False
    log.appended_bytes = 0
    return any(
        sum(segment.size for segment in partition.segments()) > size_max
        for partition in room.directory.partitions(TRANSACTIONS_TOPIC)
    )


def advance(room: Room, log: StateLog) -> bool:
    """Sync what was committed, and note that it need not be redone; False when that is for others to do.

    The mutex is held. Partitions that this process has not open are left to those who have.
    """
    open_here = {(p.topic, p.partition): p for p in room.directory.open_partitions()}
    _forget_deleted(room, log)
    if not log.named <= open_here.keys():
        return False
    points = [log.undecided_from(number) for number in range(len(log.partitions))]
    room.directory.sync([open_here[place] for place in log.named])
    for point, offset in zip(room.redo_points, points):
        point.advance(offset)
    if all(offset == p.end_offset for offset, p in zip(points, log.partitions)):
        log.named.clear()
    return True


def _forget_deleted(room: Room, log: StateLog) -> None:
    for place in list(log.named):
        try:
            there = place.partition < room.directory.topic(place.topic).partitions
        except UnknownTopicOrPartition:
            there = False
        if not there:
            log.named.discard(place)


def checkpoint(room: Room, log: StateLog) -> None:
    """Write the newest record of each transactional id anew and delete what lies before. The mutex is held.

    Ids that nobody used for transactional.id.expiration.ms are forgotten.
    """
    room.known(log.named)
    if not advance(room, log):
        return  # a partition was opened by name and deleted meanwhile; the next commit tries again
    now, age = room.now_ms(), room.directory.config.transactional_id_expiration_ms
    expired = [
        entry.transactional_id
        for entry in log.entries()
        if entry.state in (State.EMPTY, State.COMPLETE_COMMIT, State.COMPLETE_ABORT)
        and now - entry.updated_ms > age
        and not is_owned(room, entry)
    ]
    for number, partition in enumerate(log.partitions):
        undecided = log.undecided_from(number)
        first = min(log.rewrite(number, expired), undecided)
        partition.sync()
        room.directory.delete_records(TRANSACTIONS_TOPIC, number, first)
