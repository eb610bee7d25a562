"""What archives are filled from: a directory, a cluster, another archive; each tells what it has at one moment."""

from __future__ import annotations

import os

from logflume.bridge.archive.pieces import batches_of
from logflume.bridge.archive.restore import cuts_of
from logflume.bridge.archive.restoring import Restoring
from logflume.bridge.groups import committed_offsets
from logflume.bridge.partition_copy import PartitionCopy, Step, open_copy
from logflume.client.directory_engine import DirectoryEngine
from logflume.config.names import OFFSETS_TOPIC
from logflume.log.checkpoints import read_offsets
from logflume.log.layout import CLEANER_OFFSETS_FILE
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from logflume.bridge.archive.archive import Archive
    from logflume.bridge.archive.snapshot import Groups, PartitionManifest
    from logflume.client.consumer import Consumer
    from logflume.client.log import Log

    class Origin(Protocol):
        """One is used by one thread, but for copy() and what that gives: a thread for each partition."""

        def look(self) -> bool:
            """Take the state of now; False when it is the one that was taken before."""

        def internal(self) -> list[str]:
            """Topics that are copied beside those that were named."""

        def groups(self, names: list[str]) -> Groups | None:
            """What groups committed; None when it lies in an internal topic."""

        def ends(self, wheres: list[TopicPartition]) -> dict[TopicPartition, int]:
            """Where each partition is to end: behind that nothing is copied, whatever comes meanwhile."""

        def cleaned(self, where: TopicPartition) -> int:
            """As far as it is compacted."""

        def copy(self, where: TopicPartition, end: int) -> PartitionCopy:
            """One partition on its way, up to `end`."""

        def close(self) -> None:
            """Free what is open."""


__all__ = ["origin_of"]

_RUN_BYTES = 4 << 20


def origin_of(source: Log | Archive, archive: Archive, until: int | None) -> Origin:
    """The one for a source; `until` (ms since 1970), of an archive: as it was at that time."""
    from logflume.client.log import Log

    if not isinstance(source, Log):
        return _ArchiveOrigin(source, archive, until)
    if source.engine.is_remote:
        return _ClusterOrigin(source, archive)
    return _DirectoryOrigin(source, archive)


class _LogOrigin:
    """What a directory and a cluster have in common: they change all the time, and copies go on."""

    def __init__(self, source: Log, archive: Archive) -> None:
        self._source = source
        self._archive = archive
        self._copies: dict[TopicPartition, PartitionCopy] = {}

    def look(self) -> bool:
        return True

    def copy(self, where: TopicPartition, end: int) -> PartitionCopy:
        copy = self._copies.get(where)
        if copy is None:
            copy = self._copies[where] = self._open(where)
        copy.limit = end
        return copy

    def _open(self, where: TopicPartition) -> PartitionCopy:
        raise NotImplementedError

    def close(self) -> None:
        for copy in self._copies.values():
            copy.close()


class _DirectoryOrigin(_LogOrigin):
    """Whole batches, `__consumer_offsets` among them."""

    def __init__(self, source: Log, archive: Archive) -> None:
        super().__init__(source, archive)
        self._cleaned: dict[TopicPartition, int] = {}

    def internal(self) -> list[str]:
        return [OFFSETS_TOPIC] if OFFSETS_TOPIC in self._source.topics(internal=True) else []

    def groups(self, names: list[str]) -> None:
        return None

    def ends(self, wheres: list[TopicPartition]) -> dict[TopicPartition, int]:
        """At a moment when each transaction has ended in all of them or in none."""
        partitions = {where: self._source.partition(*where) for where in wheres}
        self._cleaned = read_offsets(os.path.join(self._source.path, CLEANER_OFFSETS_FILE))
        engine = self._source.engine
        if isinstance(engine, DirectoryEngine) and not engine.read_only:
            room = engine.coordinator.room
            if room.is_used:
                with room.locked():
                    return {where: int(p.end_offset) for where, p in partitions.items()}
        return {where: int(p.end_offset) for where, p in partitions.items()}

    def cleaned(self, where: TopicPartition) -> int:
        return self._cleaned.get(where, 0)

    def _open(self, where: TopicPartition) -> PartitionCopy:
        return _UpTo(self._source, self._archive, *where)


class _ClusterOrigin(_LogOrigin):
    """Committed records. How far the brokers have compacted they do not tell."""

    def __init__(self, source: Log, archive: Archive) -> None:
        super().__init__(source, archive)
        self._asker: Consumer | None = None

    def internal(self) -> list[str]:
        return []

    def groups(self, names: list[str]) -> Groups:
        return committed_offsets(self._source, names)

    def ends(self, wheres: list[TopicPartition]) -> dict[TopicPartition, int]:
        """The last stable offsets, with one question to each broker."""
        if self._asker is None:
            self._asker = self._source.consumer(isolation_level="read_committed")
        return self._asker.end_offsets(wheres)

    def cleaned(self, where: TopicPartition) -> int:
        return 0

    def _open(self, where: TopicPartition) -> PartitionCopy:
        return open_copy(self._source, self._archive, *where)

    def close(self) -> None:
        super().close()
        if self._asker is not None:
            self._asker.close()


class _ArchiveOrigin:
    """Another archive: one of its states after the other, or what one was at a time."""

    def __init__(self, source: Archive, archive: Archive, until: int | None) -> None:
        self._source = source
        self._archive = archive
        self._until = until
        self._seen = -1
        self._cuts: dict[TopicPartition, int] = {}
        self._copied: dict[TopicPartition, PartitionManifest] = {}

    def look(self) -> bool:
        self._source.refresh()
        seen, self._seen = self._seen, self._source.snapshot.number
        return seen != self._seen

    def internal(self) -> list[str]:
        return [OFFSETS_TOPIC] if OFFSETS_TOPIC in self._source else []

    def groups(self, names: list[str]) -> Groups:
        found = self._source.groups()
        chosen = {group: [row for row in rows if row[0] in names] for group, rows in found.items()}
        return {group: rows for group, rows in chosen.items() if rows}

    def ends(self, wheres: list[TopicPartition]) -> dict[TopicPartition, int]:
        names = list(dict.fromkeys(where.topic for where in wheres))
        self._cuts = cuts_of(self._source, [n for n in names if n != OFFSETS_TOPIC], self._until)
        whole = {where: self._source.partition(*where).end_offset for where in wheres}
        return {where: self._cuts.get(where, end) for where, end in whole.items()}

    def cleaned(self, where: TopicPartition) -> int:
        return self._source.partition(*where).cleaned_offset

    def copy(self, where: TopicPartition, end: int) -> PartitionCopy:
        manifest = self._source.partition(*where).manifest
        if self._copied.get(where) == manifest:
            return _Copied(self._source, self._archive, *where)
        self._copied[where] = manifest
        return Restoring(self._source, self._archive, where, self._cuts.get(where))

    def close(self) -> None:
        """Nothing is held open."""


class _Copied(PartitionCopy):
    """Of which the archive has all there is."""

    def step(self) -> None:
        return None


class _UpTo(PartitionCopy):
    """From a directory: whole batches, up to `limit`, an offset at which a batch ends."""

    def __init__(self, source: Log, archive: Archive, topic: str, number: int) -> None:
        super().__init__(source, archive, topic, number)
        self._reader = self.source.batches(max(self.check(), int(self.source.start_offset)))

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
