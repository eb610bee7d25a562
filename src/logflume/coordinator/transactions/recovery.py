"""After all processes have died, or the power was lost: what was committed is put into its partitions again."""

from __future__ import annotations

import contextlib

from logflume.errors import UnknownTopicOrPartition
from logflume.observe import get_logger

from .entry import State
from .redo import REDO_HEADER, decode_redo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume._native.partition import Partition

    from .entry import Entry
    from .redo import PartitionRedo
    from .room import Room
    from .state_log import StateLog

__all__ = ["replay"]

_logger = get_logger(__name__)


def replay(room: Room, log: StateLog, starts: list[int]) -> None:
    """Commit again what the state log says was committed, from the given offsets of its partitions on.

    Nobody else has the directory's page open. Each commit is put back and ended before the next is looked at: what
    a producer wrote in an earlier transaction must not end with a later one.
    """
    for number, start in enumerate(starts):
        for entry, headers in log.records(number, start):
            data = headers.get(REDO_HEADER)
            if entry.state is State.PREPARE_COMMIT and data is not None:
                _redo(room, entry, decode_redo(data))
    log.refresh()
    for entry in log.entries():
        if entry.state.is_decided:
            log.stored(entry).sync()
            if entry.state is not State.PREPARE_COMMIT:
                _mark(room, room.known(entry.partitions), entry, commit=False)
            log.append(entry.completed(room.now_ms()))


def _redo(room: Room, entry: Entry, parts: list[PartitionRedo]) -> None:
    ended = []
    for part in parts:
        partition = _partition(room, part)
        if partition is None:
            continue
        _abort_earlier(room, partition, entry, part)
        before = partition.end_offset
        for base_offset, batches in part.batches:
            if base_offset >= before:
                partition.append_at(batches, base_offset)
        if partition.end_offset > before:
            _logger.warning(
                "committed batches were lost and are written again",
                topic=part.place.topic,
                partition=part.place.partition,
                transactional_id=entry.transactional_id,
                from_offset=before,
                to_offset=partition.end_offset,
            )
        if any(
            found.producer_id == entry.producer_id and found.first_offset < part.end
            for found in partition.open_transactions()
        ):
            ended.append(partition)
    if ended:
        _mark(room, ended, entry, commit=True)


def _abort_earlier(room: Room, partition: Partition, entry: Entry, part: PartitionRedo) -> None:
    """An open transaction of this producer that began before this one was aborted, and its marker lost.

    Had it been committed, its own record, which stands before this one's, would have ended it again.
    """
    for found in partition.open_transactions():
        if found.producer_id == entry.producer_id and found.first_offset < part.first:
            _mark(room, [partition], entry, commit=False)


def _mark(room: Room, partitions: list[Partition], entry: Entry, *, commit: bool) -> None:
    room.mark(partitions, entry.producer_id, entry.producer_epoch, commit)


def _partition(room: Room, part: PartitionRedo) -> Partition | None:
    """None when the topic was deleted since, or made anew."""
    with contextlib.suppress(UnknownTopicOrPartition):
        topic_id = room.directory.topic(part.place.topic).topic_id
        if (topic_id or "") == part.topic_id:
            return room.directory.partition(*part.place)
    return None
