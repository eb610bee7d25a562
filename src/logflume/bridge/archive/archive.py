"""An archive as a log of its own kind: topics and partitions whose state is one object at a time."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from uuid import uuid4

from logflume.bridge.archive.objects import Objects
from logflume.bridge.archive.partition import ArchivePartition
from logflume.bridge.archive.snapshot import (
    SNAPSHOTS,
    PartitionManifest,
    Snapshot,
    StoredTopic,
    snapshot_key,
)
from logflume.closing import Closing
from logflume.config import parse
from logflume.config.names import INTERNAL_TOPICS
from logflume.config.topic import TopicConfig
from logflume.errors import (
    ArchiveTaken,
    CopyDiffers,
    InvalidPartitions,
    TopicExists,
    UnknownTopicOrPartition,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from logflume.bridge.archive.snapshot import Groups
    from logflume.client.engine import TopicInfo

__all__ = ["Archive", "ArchiveTopic", "open_archive"]

_GRACE_MS = 600_000
"""How long a reader of an earlier snapshot finds what that needs."""


class _Engine:
    """What bridges ask of a log's engine."""

    is_remote = False


class ArchiveTopic:
    """A topic in an archive: `len()` is its number of partitions."""

    def __init__(self, archive: Archive, name: str, stored: StoredTopic) -> None:
        self._archive = archive
        self._stored = stored
        self.name = name

    @property
    def config(self) -> TopicConfig:
        """Its settings, as the original had them."""
        return parse(TopicConfig, self._stored.config, foreign=TopicConfig.foreign)

    @property
    def topic_id(self) -> str | None:
        """The original's."""
        return self._stored.topic_id

    @property
    def partitions(self) -> int:
        """How many."""
        return self._stored.partitions

    def __len__(self) -> int:
        return self._stored.partitions

    def __iter__(self) -> Iterator[ArchivePartition]:
        return (self._archive.partition(self.name, number) for number in range(len(self)))


class Archive(Closing):
    """Topics in an object store, as they were at its last commit; see docs/archives.md for its objects.

    Readers see one snapshot, refresh() takes the newest. A writer calls begin() first, which shuts out any writer
    before it, and commit() makes what was stored since count, at once for all partitions. Methods raise
    StoreUnavailable, NotAuthorized, AuthenticationFailed, ObjectMissing, CorruptRecord. Thread-safe, but a partition
    is for one thread at a time.
    """

    def __init__(self, address: str) -> None:
        self.objects = Objects(address)
        self.path = self.objects.address.rstrip("/")
        self.engine = _Engine()
        self._mutex = threading.Lock()
        self._snapshot = Snapshot()
        self._topics: dict[str, StoredTopic] = {}
        self._partitions: dict[tuple[str, int], ArchivePartition] = {}
        self._trash: set[str] = set()
        self._groups: Groups = {}
        self.refresh()

    def refresh(self) -> None:
        """Read the newest snapshot. What was appended and not committed is forgotten."""
        numbers = [
            int(key.removeprefix(SNAPSHOTS).removesuffix(".json"))
            for key in self.objects.keys(SNAPSHOTS)
        ]
        found = Snapshot()
        if numbers:
            key = snapshot_key(max(numbers))
            found = Snapshot.decode(bytes(self.objects.read(key)), f"{self.path}/{key}")
        with self._mutex:
            self._snapshot = found
            self._topics = dict(found.topics)
            self._partitions = {}
            self._trash = set()
            self._groups = dict(found.groups)

    @property
    def snapshot(self) -> Snapshot:
        """What was read or committed last."""
        return self._snapshot

    # ---- topics

    def topics(self, *, internal: bool = False) -> list[str]:
        """Names, sorted."""
        return sorted(n for n in self._topics if internal or n not in INTERNAL_TOPICS)

    def __contains__(self, name: object) -> bool:
        return name in self._topics

    def __getitem__(self, name: str) -> ArchiveTopic:
        try:
            return ArchiveTopic(self, name, self._topics[name])
        except KeyError:
            raise UnknownTopicOrPartition(topic=name) from None

    def describe_topic(self, name: str) -> ArchiveTopic:
        """As archive[name]."""
        return self[name]

    def partition(self, topic: str, number: int) -> ArchivePartition:
        """Raises UnknownTopicOrPartition."""
        if not 0 <= number < len(self[topic]):
            raise UnknownTopicOrPartition(topic=topic, partition=number)
        with self._mutex:
            known = self._partitions.get((topic, number))
        if known is not None:
            return known
        manifest = PartitionManifest()
        key = self._snapshot.manifests.get(f"{topic}/{number}")
        if key is not None:
            data = bytes(self.objects.read(key))
            manifest = PartitionManifest.decode(data, f"{self.path}/{key}")
        with self._mutex:
            made = ArchivePartition(self, topic, number, manifest)
            return self._partitions.setdefault((topic, number), made)

    def groups(self) -> Groups:
        """Committed offsets of a cluster's groups: topic, partition, offset, metadata."""
        return self._groups

    # ---- writing

    def begin(self) -> None:
        """Become the writer: whoever was it before cannot commit any more. What nobody needs is deleted.

        Raises ArchiveTaken when another begins at the same moment.
        """
        self.refresh()
        self._commit(self._snapshot.after(writer=uuid4().hex, written_ms=_now_ms()))
        needed = {key for key, _ in self._snapshot.trash} | set(self._snapshot.manifests.values())
        for name, topic in self._topics.items():
            for number in range(topic.partitions):
                pieces = self.partition(name, number).pieces
                needed.update(piece.key(name, number) for piece in pieces)
        # Left behind by writers that were killed.
        stored = [*self.objects.keys("data/"), *self.objects.keys("partitions/")]
        self.objects.delete(key for key in stored if key not in needed)

    def create_topic(
        self,
        name: str,
        *,
        partitions: int,
        config: Mapping[str, object],
        topic_id: str | None = None,
    ) -> None:
        """A topic without records yet. Raises TopicExists."""
        if name in self._topics:
            raise TopicExists(topic=name)
        settings = parse(TopicConfig, config, foreign=TopicConfig.foreign).strings()
        with self._mutex:
            self._topics[name] = StoredTopic(partitions, settings, topic_id)

    def alter_topic(
        self, name: str, *, partitions: int | None = None, config: Mapping[str, object]
    ) -> None:
        """More partitions, and all its settings anew."""
        known = self[name]
        settings = parse(TopicConfig, config, foreign=TopicConfig.foreign).strings()
        with self._mutex:
            count = len(known) if partitions is None else partitions
            self._topics[name] = StoredTopic(count, settings, known.topic_id)

    def take_topic(self, topic: TopicInfo) -> None:
        """Have a topic as it is in the log that is copied: made here, or with its settings and partitions of now.

        Raises CopyDiffers when it is another topic of that name by now, InvalidPartitions when it has fewer.
        """
        name, config = topic.name, topic.config.explicit()
        if name not in self._topics:
            self.create_topic(
                name, partitions=topic.partitions, config=config, topic_id=topic.topic_id
            )
            return
        stored = self[name]
        if stored.topic_id and topic.topic_id and stored.topic_id != topic.topic_id:
            raise CopyDiffers(
                topic=name, partition=0, offset=0, reason="the topic was deleted and made anew"
            )
        if len(stored) > topic.partitions:
            raise InvalidPartitions(
                topic=name, partitions=topic.partitions, reason=f"the archive has {len(stored)}"
            )
        if len(stored) < topic.partitions or stored.config.explicit() != config:
            self.alter_topic(name, partitions=topic.partitions, config=config)

    def set_groups(self, groups: Groups) -> None:
        """Committed offsets, for the next commit."""
        self._groups = groups

    def throw_away(self, keys: Iterable[str]) -> None:
        """Objects that nobody needs after the next commit."""
        with self._mutex:
            self._trash.update(keys)

    def commit(self) -> bool:
        """Make all that was flushed count; False when nothing was. Raises ArchiveTaken: another writes here now."""
        last = self._snapshot
        manifests = dict(last.manifests)
        old: set[str] = set()
        for (topic, number), partition in sorted(self._partitions.items()):
            stored = partition.stored()
            if stored == partition.manifest:
                continue
            name = f"{topic}/{number}"
            old.update(key for key in (manifests.get(name),) if key is not None)
            key = f"partitions/{name}/{last.number + 1:020d}.json"
            self.objects.write(key, stored.encode())
            manifests[name] = key
            partition.manifest = stored
        same = manifests == last.manifests and self._topics == last.topics
        if same and self._groups == last.groups:
            return False
        self._commit(
            last.after(
                written_ms=_now_ms(),
                topics=dict(self._topics),
                manifests=manifests,
                groups=self._groups,
                trash=(*last.trash, *((key, _now_ms()) for key in sorted(old | self._trash))),
            )
        )
        self._trash = set()
        return True

    def _commit(self, snapshot: Snapshot) -> None:
        """The one step that changes what readers see."""
        late = _now_ms() - _GRACE_MS
        expired = [key for key, since in snapshot.trash if since < late]
        kept = [(key, since) for key, since in snapshot.trash if since >= late]
        if snapshot.number > 1:
            kept.append((snapshot_key(snapshot.number - 1), _now_ms()))
        snapshot = replace(snapshot, trash=tuple(kept))
        if not self.objects.create(snapshot_key(snapshot.number), snapshot.encode()):
            raise ArchiveTaken(address=self.path)
        self._snapshot = snapshot
        if expired:
            self.objects.delete(set(expired) - self._live_keys())

    def _live_keys(self) -> set[str]:
        """Objects that count: bytes that were thrown away once may have come again, under the same name."""
        return {
            piece.key(*where)
            for where, partition in self._partitions.items()
            for piece in partition.pieces
        }

    def close(self) -> None:
        """Nothing is held open."""

    def __repr__(self) -> str:
        return f"<Archive {self.path}>"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def open_archive(address: str) -> Archive:
    """The archive at `s3://bucket/prefix`, `gs://…`, `az://…`, `file:///directory` or `memory://name`.

    An address at which nothing is yet is an archive without topics. Raises MissingExtra, InvalidConfig,
    StoreUnavailable, AuthenticationFailed, NotAuthorized.
    """
    return Archive(address)
