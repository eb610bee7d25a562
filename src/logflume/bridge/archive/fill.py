"""Copying a log into an archive: what is new of each partition, then one commit for all of them."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

from logflume.bridge.archive.pieces import OBJECT_BYTES, batches_of
from logflume.bridge.groups import committed_offsets
from logflume.bridge.partition_copy import PartitionCopy, Step, open_copy
from logflume.bridge.report import MirrorReport
from logflume.bridge.topics import copied_topics
from logflume.client.directory_engine import DirectoryEngine
from logflume.config.names import OFFSETS_TOPIC
from logflume.errors import CopyDiffers, InvalidPartitions
from logflume.log.checkpoints import read_offsets
from logflume.log.layout import CLEANER_OFFSETS_FILE
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from logflume.bridge.archive.archive import Archive
    from logflume.client.consumer import Consumer
    from logflume.client.log import Log

    OnProgress = Callable[[int, int], None]

__all__ = ["fill"]

_AT_ONCE = 4
_RUN_BYTES = 4 << 20


def fill(
    source: Log,
    archive: Archive,
    topics: Iterable[str] | None = None,
    *,
    follow: bool = False,
    keep: bool = False,
    interval_s: float = 1.0,
    stop: threading.Event | None = None,
    on_progress: OnProgress | None = None,
) -> list[MirrorReport]:
    """Copy topics (default: all) and what groups committed into an archive; go on where an earlier copy ended.

    Parameters: `follow`, go on with what comes until `stop` is set, looking every `interval_s` seconds; `keep`, leave
    in the archive what retention and compaction delete in the source (else the archive follows them; deleted topics
    stay in both cases). Of a cluster each partition is copied up to its last stable offset, see docs/archives.md.
    Raises CopyDiffers, InvalidPartitions, ArchiveTaken, and what reading and the store raise.
    """
    ended = stop or threading.Event()
    wanted = None if topics is None else list(topics)
    archive.begin()
    with _Filling(source, archive, keep, on_progress) as filling:
        while True:
            filling.cycle(wanted)
            if not follow or ended.is_set():
                return filling.report()
            ended.wait(interval_s)


class _Filling:
    """The copies of a fill() under way. Not thread-safe."""

    def __init__(
        self, source: Log, archive: Archive, keep: bool, on_progress: OnProgress | None
    ) -> None:
        self._source = source
        self._archive = archive
        self._keep = keep
        self._on_progress = on_progress
        self._copies: dict[TopicPartition, PartitionCopy] = {}
        self._sums: dict[TopicPartition, tuple[int, int]] = {}
        self._mutex = threading.Lock()
        self._workers = ThreadPoolExecutor(_AT_ONCE, "logflume-archive")
        self._asker: Consumer | None = None
        """Of a cluster: asks it where partitions end."""

    def __enter__(self) -> _Filling:
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.shutdown(cancel_futures=True)
        for copy in self._copies.values():
            copy.close()
        if self._asker is not None:
            self._asker.close()

    def cycle(self, wanted: list[str] | None) -> None:
        """Copy what is new, and commit it."""
        names = self._names(wanted)
        for name in names:
            self._make(name)
        wheres = [TopicPartition(n, p) for n in names for p in range(len(self._archive[n]))]
        if self._source.engine.is_remote:
            self._archive.set_groups(committed_offsets(self._source, names))
        ends = self._ends(wheres)
        cleaned = _cleaned(self._source)
        work = [
            self._workers.submit(self._copy, where, ends[where], cleaned.get(where, 0))
            for where in wheres
        ]
        for each in work:
            each.result()
        self._archive.commit()

    def report(self) -> list[MirrorReport]:
        """What was copied since the start."""
        return [
            MirrorReport(*where, *self._sums.get(where, (0, 0)), copy.target.end_offset)
            for where, copy in sorted(self._copies.items())
        ]

    def _names(self, wanted: list[str] | None) -> list[str]:
        there = self._source.topics(internal=True)
        names = copied_topics(self._source) if wanted is None else wanted
        if OFFSETS_TOPIC in there and not self._source.engine.is_remote:
            return [*names, OFFSETS_TOPIC]
        return names

    def _make(self, name: str) -> None:
        """The topic in the archive, as it is in the source now."""
        topic = self._source.describe_topic(name)
        config = topic.config.explicit()
        if name not in self._archive:
            self._archive.create_topic(
                name, partitions=topic.partitions, config=config, topic_id=topic.topic_id
            )
            return
        stored = self._archive[name]
        if stored.topic_id and topic.topic_id and stored.topic_id != topic.topic_id:
            raise CopyDiffers(
                topic=name, partition=0, offset=0, reason="the topic was deleted and made anew"
            )
        if len(stored) > topic.partitions:
            raise InvalidPartitions(
                topic=name, partitions=topic.partitions, reason=f"the archive has {len(stored)}"
            )
        if len(stored) < topic.partitions or stored.config.explicit() != config:
            self._archive.alter_topic(name, partitions=topic.partitions, config=config)

    def _ends(self, wheres: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Where each partition is to end: behind that nothing is copied, whatever comes meanwhile."""
        if not self._source.engine.is_remote:
            return _ends_at_one_moment(self._source, wheres)
        if self._asker is None:
            self._asker = self._source.consumer(isolation_level="read_committed")
        # The last stable offsets, with one question to each broker.
        return self._asker.end_offsets(wheres)

    def _copy(self, where: TopicPartition, end: int, cleaned: int) -> None:
        """One partition, up to `end`. Runs in a worker: no other has this partition meanwhile."""
        target = self._archive.partition(*where)
        copy = self._copies.get(where)
        if copy is None:
            remote = self._source.engine.is_remote
            copy = open_copy(self._source, self._archive, *where) if remote else None
            copy = copy or _UpTo(self._source, self._archive, *where)
            self._copies[where] = copy
        copy.limit = end
        while (step := copy.step()) is not None:
            with self._mutex:
                records, size = self._sums.get(where, (0, 0))
                self._sums[where] = records + step.records, size + step.size
                if self._on_progress is not None:
                    self._on_progress(step.records, step.size)
        target.flush()
        if not self._keep:
            self._follow_deletions(where, cleaned)

    def _follow_deletions(self, where: TopicPartition, cleaned: int) -> None:
        target = self._archive.partition(*where)
        source = self._source.partition(*where)
        target.raise_start(min(int(source.start_offset), target.end_offset))
        if cleaned > target.cleaned_offset:
            old, upto = target.begin_again(min(cleaned, target.end_offset))
            if old:
                target.replace(old, _objects(source, upto), cleaned)


class _UpTo(PartitionCopy):
    """From a directory: whole batches, up to `limit`, an offset at which a batch ends."""

    def __init__(self, source: Log, archive: Archive, topic: str, number: int) -> None:
        super().__init__(source, archive, topic, number)
        at = self.check()
        if at < self.source.start_offset:
            at = int(self.source.start_offset)
            self.target.raise_start(at)
        self._reader = self.source.batches(at)

    def step(self) -> Step | None:
        at = int(self.target.end_offset)
        assert self.limit is not None
        if at >= self.limit:
            return None
        if self._reader.position < at:
            self._reader = self.source.batches(at)
        raw = self._reader.read(_RUN_BYTES)
        if raw is None:
            return None
        view, records, end = raw.view, raw.record_count, raw.end_offset
        if end > self.limit:
            # Beyond the moment that is copied: the next cycle reads it again.
            inside = [b for b in batches_of(view, str(self.source)) if b.base_offset < self.limit]
            self._reader = self.source.batches(self.limit)
            if not inside:
                return None
            view = view[: inside[-1].position + inside[-1].size]
            records, end = sum(b.count for b in inside), inside[-1].last_offset + 1
        self.target.append_at(view, raw.base_offset)
        return Step(records, len(view), end)


def _objects(source: Any, upto: int) -> list[bytes]:
    """A compacted partition's batches below `upto`, as objects of a good size."""
    reader = source.batches(source.start_offset)
    done: list[bytes] = []
    data = bytearray()
    while reader.position < upto and (raw := reader.read(_RUN_BYTES)) is not None:
        if raw.base_offset >= upto:
            break
        view = raw.view
        if raw.end_offset > upto:
            inside = [b for b in batches_of(view, str(source)) if b.base_offset < upto]
            view = view[: inside[-1].position + inside[-1].size]
        data += view
        if len(data) >= OBJECT_BYTES:
            done.append(bytes(data))
            data.clear()
    return [*done, bytes(data)] if data else done


def _ends_at_one_moment(source: Log, wheres: list[TopicPartition]) -> dict[TopicPartition, int]:
    """Where each partition ends, at a moment when each transaction has ended in all of them or in none."""
    partitions = {where: source.partition(*where) for where in wheres}
    engine = source.engine
    if isinstance(engine, DirectoryEngine) and not engine.read_only:
        room = engine.coordinator.room
        if room.is_used:
            with room.locked():
                return {where: int(p.end_offset) for where, p in partitions.items()}
    return {where: int(p.end_offset) for where, p in partitions.items()}


def _cleaned(source: Log) -> dict[TopicPartition, int]:
    """How far a directory's partitions are compacted; a cluster does not tell."""
    if source.engine.is_remote:
        return {}
    return read_offsets(os.path.join(source.path, CLEANER_OFFSETS_FILE))
