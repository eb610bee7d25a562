"""Topics as the protocol names them: by name or, in newer versions, by id."""

from __future__ import annotations

import os
from time import monotonic

from logflume.errors import LogflumeError, UnknownTopicOrPartition
from logflume.log import layout
from logflume.log.checkpoints import read_epochs
from logflume.log.ids import NO_ID, decode_id
from logflume.log.properties import read_topic_id
from logflume.log.topic_store import TopicStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from logflume.log.topic_store import TopicEntry

__all__ = ["NO_ID_BYTES", "Topics"]

NO_ID_BYTES = bytes(16)
_RECENT_S = 0.05


class Topics:
    """Names and ids of the topics in the directory at `path`, read again when somebody changed them.

    Belongs to the broker's event loop, and takes no lock: a thread that makes or deletes a topic, or opens a
    partition, may hold the directory's for long. `on_change()` is called when somebody changed a topic.
    """

    def __init__(self, path: str, on_change: Callable[[], object]) -> None:
        self._path = path
        self._store = TopicStore(path)
        self._on_change = on_change
        self._seen: Mapping[str, TopicEntry] | None = None
        self._looked = 0.0
        self._ids: dict[str, str] = {}
        self._names: dict[bytes, str] = {}
        self._epochs: dict[str, list[int]] = {}

    def entries(self) -> Mapping[str, TopicEntry]:
        """All topics by name, those that are being deleted too."""
        entries = self._store.topics()
        if entries is not self._seen:
            before = self._seen
            self._ids = {name: self._id_of(entry) for name, entry in entries.items()}
            self._names = {
                decode_id(text): name
                for name, text in self._ids.items()
                if text != NO_ID and not entries[name].deleting
            }
            self._epochs = {}
            self._seen = entries
            if before is not None:
                self._on_change()
        return entries

    def find(self, name: str) -> TopicEntry | None:
        """The topic, or None."""
        entry = self.entries().get(name)
        return None if entry is None or entry.deleting else entry

    def get(self, name: str) -> TopicEntry:
        """As `find`; raises UnknownTopicOrPartition."""
        entry = self.find(name)
        if entry is None:
            raise UnknownTopicOrPartition(topic=name)
        return entry

    def with_partition(self, name: str, number: int) -> TopicEntry:
        """The topic that has this partition; raises UnknownTopicOrPartition."""
        entry = self.find(name)
        if entry is None or not 0 <= number < entry.partitions:
            raise UnknownTopicOrPartition(topic=name, partition=number)
        return entry

    def recent(self, name: str) -> TopicEntry | None:
        """As `find`, with a look at the directory twenty times a second at most: for the hot path."""
        now = monotonic()
        if self._seen is None or now - self._looked > _RECENT_S:
            self._looked = now
            self.entries()
        return self.seen(name)

    def seen(self, name: str) -> TopicEntry | None:
        """As `find`, by the last look."""
        entry = None if self._seen is None else self._seen.get(name)
        return None if entry is None or entry.deleting else entry

    def id_of(self, name: str) -> str:
        """The id, 22 characters; zeroes for a topic that has none (an old Kafka's)."""
        self.entries()
        return self._ids.get(name, NO_ID)

    def name_of(self, topic_id: bytes) -> str | None:
        """The name for an id's 16 bytes."""
        name = self._names.get(topic_id)
        if name is None:
            self.entries()
            name = self._names.get(topic_id)
        return name

    def leader_epochs(self, entry: TopicEntry) -> list[int]:
        """The last leader epoch of each partition, which its new batches carry."""
        found = self._epochs.get(entry.name)
        if found is None:
            # A topic of our own has never had another leader.
            own = entry.topic_id is not None
            found = [0 if own else self._last_epoch(entry, n) for n in range(entry.partitions)]
            self._epochs[entry.name] = found
        return found

    def _last_epoch(self, entry: TopicEntry, number: int) -> int:
        directory = layout.partition_directory_name(entry.name, number)
        path = os.path.join(self._path, directory, layout.LEADER_EPOCH_FILE)
        epochs = read_epochs(path)
        return epochs[-1].epoch if epochs else 0

    def _id_of(self, entry: TopicEntry) -> str:
        if entry.topic_id is not None:
            return entry.topic_id
        # Found on disk only: a Kafka wrote it, and the id beside each partition.
        directory = layout.partition_directory_name(entry.name, 0)
        path = os.path.join(self._path, directory, layout.PARTITION_METADATA_FILE)
        try:
            return read_topic_id(path) or NO_ID
        except LogflumeError:
            return NO_ID
