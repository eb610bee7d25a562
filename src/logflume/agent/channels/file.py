"""The file channel: a topic of a log. What was put is on disk, and can be taken at once after a crash."""

from __future__ import annotations

import json
import os

from logflume._native.batch_heads import BatchHeads
from logflume.agent.channels.channel import LogChannel, Taker
from logflume.agent.channels.long_notes import LongNotes
from logflume.agent.events import EventBatch
from logflume.agent.options import ComponentConfig, Words, setting
from logflume.agent.positions import Carried
from logflume.agent.registry import channel
from logflume.agent.writer import CHANNEL_BATCH_BYTES_MAX
from logflume.config.kinds import Bool, Choice, Duration, Int, Size, Text
from logflume.coordinator.byte_locks import try_lock
from logflume.coordinator.offsets_topic import open_offsets
from logflume.errors import DirectoryLocked, InvalidConfig
from logflume.types import OffsetAndMetadata, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from logflume._native.partition import Partition
    from logflume.client.consumer import Consumer

__all__ = [
    "FileChannel",
    "FileConfig",
]

_NO_CHECKPOINT = "The channel is a log: there is nothing to replay, so nothing to checkpoint."
_FREE_EVERY_EVENTS = 100_000  # delivered events are deleted so often, a segment at a time


class FileConfig(ComponentConfig, table="file channel"):
    """Flume guide, "File Channel"."""

    data_dirs: tuple[str, ...] = setting(
        "dataDirs",
        ("~/.flume/file-channel/data",),
        Words(","),
        doc="The log directory of the channel's topic. Of several the first is used.",
    )
    checkpoint_dir: str | None = setting(
        "checkpointDir", None, Text(), doc="Directory of checkpoints.", no_effect=_NO_CHECKPOINT
    )
    capacity: int = setting("capacity", 1_000_000, Int(min=1), doc="Events it holds at most.")
    transaction_capacity: int = setting(
        "transactionCapacity", 10_000, Int(min=1), doc="Events of one put or take at most."
    )
    keep_alive: int = setting(
        "keep-alive", 3, Int(), doc="Seconds that a put waits for room before it fails."
    )
    max_file_size: int = setting(
        "maxFileSize", 2_146_435_071, Size(min=14), doc="Bytes of a segment file."
    )
    fsync_per_transaction: bool = setting(
        "fsyncPerTransaction",
        True,
        Bool(),
        doc="A put is on disk when it returns. Without, it survives kill -9, but not power loss.",
    )
    compression: str = setting(
        "compression",
        "none",
        Choice("none", "lz4", "zstd", "snappy", "gzip"),
        doc="Codec of the topic.",
        origin="logflume",
    )
    checkpoint_interval: int = setting(
        "checkpointInterval",
        30_000,
        Duration(),
        doc="Time between checkpoints.",
        no_effect=_NO_CHECKPOINT,
    )
    minimum_required_space: int = setting(
        "minimumRequiredSpace",
        524_288_000,
        Size(),
        doc="Free bytes below which puts stop.",
        no_effect="A put that finds the disk full fails as a whole, and is tried again.",
    )
    use_dual_checkpoints: bool = setting(
        "useDualCheckpoints", False, Bool(), doc="A second checkpoint.", no_effect=_NO_CHECKPOINT
    )
    backup_checkpoint_dir: str | None = setting(
        "backupCheckpointDir", None, Text(), doc="Its directory.", no_effect=_NO_CHECKPOINT
    )
    compress_backup_checkpoint: bool = setting(
        "compressBackupCheckpoint", False, Bool(), doc="Compress it.", no_effect=_NO_CHECKPOINT
    )
    checkpoint_on_close: bool = setting(
        "checkpointOnClose", True, Bool(), doc="Write one at the end.", no_effect=_NO_CHECKPOINT
    )
    use_fast_replay: bool = setting(
        "use-fast-replay", False, Bool(), doc="Replay from memory.", no_effect=_NO_CHECKPOINT
    )
    use_log_replay_v1: bool = setting(
        "use-log-replay-v1", False, Bool(), doc="The old replay.", no_effect=_NO_CHECKPOINT
    )
    fsync_interval: int = setting(
        "fsyncInterval",
        5,
        Int(),
        doc="Seconds between syncs without fsyncPerTransaction.",
        no_effect="The kernel writes back by itself.",
    )
    encryption_active_key: str | None = setting(
        "encryption.activeKey",
        None,
        Text(),
        doc="Key of encryption.",
        refused="the channel's files are not encrypted: use an encrypted file system",
    )


@channel("file", "org.apache.flume.channel.file.FileChannel")
class FileChannel(LogChannel):
    """A topic with one partition for each taker, in the log directory of `dataDirs`.

    A take is committed as a group's offset, with the sink's note, in one record; delivered events are deleted by
    whole segments. One agent at a time has the channel.
    """

    Config = FileConfig
    lock_fd = -1

    def setup(self) -> None:
        self.topic = self.name
        self._takers: list[_FileTaker] = []
        self._turn = 0
        if self.config.transaction_capacity > self.config.capacity:
            raise InvalidConfig(
                name="transactionCapacity",
                value=self.config.transaction_capacity,
                reason=f"is more than capacity ({self.config.capacity})",
            )
        if len(self.config.data_dirs) > 1:
            self.log.warning("one_data_directory", channel=self.name, used=self.config.data_dirs[0])

    @property
    def acks(self) -> str | int:
        """The level of a put."""
        return "all" if self.config.fsync_per_transaction else 1

    def open(self) -> None:
        self.store = self.context.stores.open(self.config.data_dirs[0])
        self._lock()
        self.partitions = self.store.topic(
            self.topic,
            max(self.takers_wanted, 1),
            {
                "retention.ms": -1,
                "retention.bytes": -1,
                "segment.bytes": max(
                    min(self.config.max_file_size, 1 << 30), 2 * CHANNEL_BATCH_BYTES_MAX
                ),
                "compression.type": self.config.compression,
                "max.message.bytes": CHANNEL_BATCH_BYTES_MAX + (1 << 20),
            },
        )
        self.store.maintain()
        # Offsets of another topic of this name mean nothing.
        self.identity = str(self.store.log[self.topic].topic_id)
        self.room.used = sum(self._waiting(number) for number in range(self.partitions))

    def _lock(self) -> None:
        """One agent a channel: two would deliver its events twice."""
        path = os.path.join(self.store.path, f"{self.topic}.channel-lock")
        self.lock_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if not try_lock(self.lock_fd, 0):
            os.close(self.lock_fd)
            self.lock_fd = -1
            raise DirectoryLocked(
                path=self.store.path, reason=f"another agent has the channel {self.name}"
            )

    @property
    def takers(self) -> int:
        """How many share its events."""
        return max(self.takers_wanted, 1)

    @property
    def group(self) -> str:
        """The group whose offsets say what was delivered."""
        return f"channel.{self.topic}"

    def committed(self, number: int) -> OffsetAndMetadata | None:
        """Where a partition's taker stands."""
        offsets = open_offsets(self.store.log.directory, self.group)
        return offsets.committed(self.group, TopicPartition(self.topic, number))

    def _waiting(self, number: int) -> int:
        """Events of a partition that were not delivered yet."""
        partition = self.store.log.partition(self.topic, number)
        entry = self.committed(number)
        start = max(int(partition.start_offset), entry.offset if entry is not None else 0)
        return _events_between(partition, start, int(partition.end_offset))

    def next_partition(self) -> int:
        """Where the next put goes: round robin over those that are taken from."""
        self._turn = (self._turn + 1) % self.takers
        return self._turn

    def taker(self) -> Taker:
        taken = {taker.number for taker in self._takers}
        made = _FileTaker(self, next(n for n in range(len(taken) + 1) if n not in taken))
        self._takers.append(made)
        return made

    def release(self, taker: Taker) -> None:
        self._takers = [one for one in self._takers if one is not taker]
        taker.close()

    def wake(self) -> None:
        for taker in self._takers:
            taker.wake()

    def close(self) -> None:
        for taker in self._takers:
            taker.close()
        if self.lock_fd >= 0:
            os.close(self.lock_fd)
            self.lock_fd = -1


def _events_between(partition: Partition, start: int, end: int) -> int:
    """Records that a committed reader gets from `start` on: neither transactions' ends nor what they took back."""
    count = end - start
    opened: dict[int, int] = {}
    for base, last, producer, outcome in BatchHeads(partition, start).take(end):
        records = last + 1 - max(base, start)
        if outcome < 0:
            opened[producer] = opened.get(producer, 0) + records
            continue
        count -= records
        taken = opened.pop(producer, 0)
        if outcome == 0:
            count -= taken
    return count


class _FileTaker(Taker):
    """Reads the partitions `number`, `number + takers`, ... of the channel's topic."""

    def __init__(self, owner: FileChannel, number: int) -> None:
        self._owner = owner
        self.number = number
        self._open: Consumer | None = None
        self._before: dict[TopicPartition, int] = {}
        self._taken = 0
        self._unfreed = 0
        self._carried = Carried()
        self._notes = LongNotes(owner.store.path, f"{owner.topic}-{number}")

    @property
    def _places(self) -> list[TopicPartition]:
        owner = self._owner
        numbers = range(self.number, owner.partitions, owner.takers)
        return [TopicPartition(owner.topic, number) for number in numbers]

    @property
    def _consumer(self) -> Consumer:
        """Opened when first used: by then all takers are known."""
        if self._open is None:
            made = self._owner.store.log.consumer(
                group=self._owner.group,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                isolation_level="read_committed",
            )
            try:
                self._begin(made)
            except BaseException:
                made.close()
                raise
            self._open = made
        return self._open

    def _begin(self, consumer: Consumer) -> None:
        consumer.assign(self._places)
        self._before = {place: consumer.position(place) for place in self._places}
        for place, offset in self._before.items():
            # Delivered by a taker before this one, and not deleted yet.
            partition = self._owner.store.log.partition(place.topic, place.partition)
            self._carried.see_all(partition, offset)

    def take(self, max_events: int, timeout: float) -> EventBatch | None:
        records = self._consumer.poll_batch(timeout, max_events)
        if records is None:
            return None
        self._taken += len(records)
        self._carried.see(records)
        self._owner.counters.add("EventTakeAttemptCount", len(records))
        return EventBatch.from_records(records)

    def commit(self, note: str | None) -> None:
        consumer, owner = self._consumer, self._owner
        at = {place: consumer.position(place) for place in self._places}
        if note is not None:
            # A sink that comes back to this note undoes nothing before it: those events must not vanish, either.
            self._sync(at)
        self._store(at, note)
        self._before = at
        owner.room.release(self._taken)
        owner.counters.add("EventTakeSuccessCount", self._taken)
        self._unfreed += self._taken
        self._taken = 0
        if self._unfreed >= _FREE_EVERY_EVENTS:
            self._free()

    def renote(self, note: str | None) -> None:
        assert self._open is not None  # a sink that writes was restored, and that committed
        self._store(self._before, note)

    def _store(self, at: Mapping[TopicPartition, int], note: str | None) -> None:
        # One batch for all partitions, so that the note and the positions are stored together.
        kept = self._notes.keep(note or "")
        # A file may go when what no longer names it is on disk.
        self._consumer.commit(
            {place: OffsetAndMetadata(offset, kept) for place, offset in at.items()},
            wait=self._notes.has_files,
        )
        self._notes.drop_others()

    def _free(self) -> None:
        """Delivered events may go: whole segments of them are deleted."""
        self._unfreed = 0
        self._sync(
            self._before
        )  # a position must not outlive the events before it that are only in memory
        self._carried.store(self._owner.store)
        self._owner.store.log.delete_records(
            {(place.topic, place.partition): offset for place, offset in self._before.items()}
        )

    def _sync(self, at: Mapping[TopicPartition, int]) -> None:
        """What lies below these offsets is on disk, if the channel promises that."""
        if self._owner.acks != "all":
            return
        for place in at:
            partition = self._owner.store.log.partition(place.topic, place.partition)
            if int(partition.durable_offset) < int(partition.end_offset):
                partition.sync()

    def rollback(self) -> None:
        for place, offset in self._before.items():
            self._consumer.seek(place, offset=offset)
        self._taken = 0

    def note(self) -> str | None:
        entries = [self._owner.committed(place.partition) for place in self._places]
        kept = next((entry.metadata for entry in entries if entry and entry.metadata), None)
        return None if kept is None else self._notes.read(kept)

    def place(self) -> str | None:
        at = {str(p.partition): self._consumer.position(p) for p in self._places}
        return json.dumps({"channel": self._owner.identity, "at": at})

    def advance(self, places: Sequence[str]) -> None:
        for said in map(json.loads, places):
            if said["channel"] != self._owner.identity:
                continue  # of a channel that was here before
            for place in self._places:
                offset = said["at"].get(str(place.partition), 0)
                ahead = offset - self._before.get(place, self._consumer.position(place))
                if ahead > 0:
                    self._consumer.seek(place, offset=offset)
                    partition = self._owner.store.log.partition(place.topic, place.partition)
                    delivered = _events_between(partition, offset - ahead, offset)
                    self._taken += delivered
                    self._owner.log.info(
                        "delivered_already", channel=self._owner.name, events=delivered
                    )

    def wake(self) -> None:
        """End a take that waits."""
        if self._open is not None:
            self._open.wakeup()

    def close(self) -> None:
        """Leave the log."""
        if self._open is not None:
            self._open.close()
            self._open = None
