"""After all processes have died, or the power was lost: what was committed is put into its partitions again."""

from __future__ import annotations

import contextlib

from logflume._native.transactions import may_have_open
from logflume.errors import TransactionInDoubt, UnknownTopicOrPartition
from logflume.log.boot import boot_id
from logflume.observe import get_logger
from logflume.types import TopicPartition

from .entry import State
from .external import ask
from .lost_batches import Part, put_back
from .redo import REDO_HEADER, decode_redo
from .settling import settle_one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume._native.partition import Partition

    from .entry import Entry
    from .redo import PartitionRedo
    from .room import Room
    from .state_log import StateLog

__all__ = ["end_left_open", "replay"]

_logger = get_logger(__name__)


def replay(room: Room, log: StateLog, starts: list[int]) -> None:
    """Commit again what the state log says was committed, from the given offsets of its partitions on.

    Nobody else has the directory's page open: no reader sees one partition before the other.
    """
    parts: dict[Partition, dict[tuple[int, int], Part]] = {}
    for number, start in enumerate(starts):
        for entry, headers in log.records(number, start):
            data = headers.get(REDO_HEADER)
            if data is not None:
                _collect(room, parts, entry, decode_redo(data))
    for partition, found in parts.items():
        _put_back(room, partition, list(found.values()))
    log.refresh()
    started = boot_id()
    for entry in log.entries():
        if entry.state.is_decided:
            log.stored(entry).sync()
            if entry.state is not State.PREPARE_COMMIT:
                _mark(room, room.known(entry.partitions), entry, commit=False)
            log.append(entry.completed(room.now_ms()))
        elif entry.is_pledged:
            _ask(room, log, entry)
        elif entry.is_clients and entry.boot_id != started:
            # What its client was told of need not have been on disk when the machine went down.
            ended = entry.fenced(room.now_ms())
            log.append(ended)
            _mark(room, room.known(entry.partitions), ended, commit=False)


def end_left_open(room: Room, log: StateLog) -> None:
    """End what is open in any partition: nobody is alive who has it open.

    What cannot be ended stays open: a mirror's, whose marker may come, or one whose database does not answer.
    """
    for topic, entry in room.directory.entries().items():
        for number in range(0 if entry.deleting else entry.partitions):
            if not may_have_open(room.directory.partition_path(topic, number)):
                continue
            for partition in room.known([TopicPartition(topic, number)]):
                for found in partition.open_transactions():
                    settle_one(room, log, partition, found)


def _collect(
    room: Room,
    parts: dict[Partition, dict[tuple[int, int], Part]],
    entry: Entry,
    redo: list[PartitionRedo],
) -> None:
    """By partition, producer and first offset: a commit's record takes the place of its pledge's."""
    commit = True if entry.state is State.PREPARE_COMMIT else None
    for one in redo:
        partition = _partition(room, one)
        if partition is not None:
            parts.setdefault(partition, {})[entry.producer_id, one.first] = Part(
                entry.producer_id, entry.producer_epoch, one.first, one.end, commit, one.batches
            )


def _put_back(room: Room, partition: Partition, parts: list[Part]) -> None:
    def mark(where: Partition, producer_id: int, epoch: int, commit: bool) -> None:
        room.mark([where], producer_id, epoch, commit)

    before = partition.end_offset
    count = put_back(partition, parts, mark)
    if count:
        _logger.warning(
            "committed batches were lost and are written again",
            topic=partition.topic,
            partition=partition.partition,
            from_offset=before,
            batches=count,
        )


def _ask(room: Room, log: StateLog, entry: Entry) -> None:
    """End a pledged transaction as its database says. While that cannot tell, it stays open."""
    try:
        commit = ask(entry)
    except TransactionInDoubt as error:
        _logger.warning("a transaction stays open", why=str(error))
        return
    if commit:
        redo = log.headers_of(entry).get(REDO_HEADER) or b""
        ended = entry.prepared(entry.partitions, room.now_ms())
        log.append(ended, [(REDO_HEADER, redo)])
        _mark(room, room.known(entry.partitions), ended, commit=True)
        log.append(ended.completed(room.now_ms()))
    else:
        ended = entry.fenced(room.now_ms())
        log.append(ended)
        _mark(room, room.known(entry.partitions), ended, commit=False)


def _mark(room: Room, partitions: list[Partition], entry: Entry, *, commit: bool) -> None:
    room.mark(partitions, entry.producer_id, entry.producer_epoch, commit)


def _partition(room: Room, part: PartitionRedo) -> Partition | None:
    """None when the topic was deleted since, or made anew."""
    with contextlib.suppress(UnknownTopicOrPartition):
        topic_id = room.directory.topic(part.place.topic).topic_id
        if (topic_id or "") == part.topic_id:
            return room.directory.partition(*part.place)
    return None
