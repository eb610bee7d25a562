"""Which topics a directory has, how many partitions each, and their settings.

Topics made by logflume are entries of one JSON file; topics that a Kafka left are found by their directories,
with default settings until somebody alters them. The file is written first and the directories after it, so
that a crash leaves a topic whose missing directories are made when they are opened.
"""

from __future__ import annotations

import json
import os

from logflume.config import parse
from logflume.config.topic import TopicConfig
from logflume.errors import CorruptRecord, UnsupportedFormat
from logflume.log import layout
from logflume.log.small_file import is_settled, read_small, write_atomic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from logflume.types import NamedTuple

__all__ = ["TopicEntry", "TopicStore"]

_VERSION = 1


class TopicEntry(NamedTuple):
    """A topic as the store knows it. `deleting`: its deletion was begun and is finished by whoever opens next."""

    name: str
    topic_id: str | None
    partitions: int
    config: TopicConfig
    foreign: bool = False
    """Found on disk only: written by a Kafka."""
    deleting: bool = False


class TopicStore:
    """Reads the file again when it or the directory changed. Not thread-safe: the directory's owner locks.

    A change writes the whole file. What was read, written or taken apart before is kept, so that with thousands of
    topics it costs a look at each, and no more.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._path = os.path.join(directory, layout.TOPICS_FILE)
        self._stamp: tuple[int, ...] | None = None
        self._topics: dict[str, TopicEntry] = {}
        self._data: bytes | None = None  # the file as it was read or written last, and what it says
        self._listed: dict[str, TopicEntry] = {}
        self._texts: dict[str, tuple[TopicEntry, str]] = {}
        self._names: dict[str, layout.PartitionDirectory | None] = {}

    def topics(self, *, fresh: bool = False) -> dict[str, TopicEntry]:
        """All topics by name, the same object until somebody changes one.

        `fresh` reads again whatever the time stamps say.
        """
        stamp = self._look()
        if fresh or stamp != self._stamp:
            found = self._read()
            if found != self._topics:
                self._topics = found
            # Files' times are those of a coarse clock: what comes in the same tick would look like what was read.
            self._stamp = stamp if is_settled(*stamp[::2]) else None
        return self._topics

    def changed(self) -> bool:
        """True when somebody may have changed a topic since the last `topics()`."""
        return self._look() != self._stamp

    def put(self, *entries: TopicEntry, remove: str | None = None) -> None:
        """Write entries, and take one out. The caller holds the directory's change lock."""
        known = {name: e for name, e in self.topics(fresh=True).items() if not e.foreign}
        known.update({entry.name: entry._replace(foreign=False) for entry in entries})
        if remove is not None:
            known.pop(remove, None)
        listed = {name: known[name] for name in sorted(known)}
        self._texts = {name: (entry, self._text(entry)) for name, entry in listed.items()}
        lines = ",\n".join(text for _, text in self._texts.values())
        data = f'{{\n"version": {_VERSION},\n"topics": {{\n{lines}\n}}\n}}\n'.encode()
        write_atomic(self._path, data)
        self._data, self._listed = data, listed
        self._stamp = None

    def _text(self, entry: TopicEntry) -> str:
        """Its line in the file."""
        written, text = self._texts.get(entry.name, (None, ""))
        if written is entry:
            return text
        fields: dict[str, object] = {
            "id": entry.topic_id,
            "partitions": entry.partitions,
            "config": entry.config.strings(),
        }
        if entry.deleting:
            fields["deleting"] = True
        return f"{json.dumps(entry.name)}: {json.dumps(fields)}"

    def _look(self) -> tuple[int, ...]:
        out: list[int] = []
        for path in (self._path, self._directory):
            try:
                info = os.stat(path)
            except FileNotFoundError:
                out += [0, 0]
            else:
                out += [info.st_mtime_ns, info.st_ino]
        return tuple(out)

    def _read(self) -> dict[str, TopicEntry]:
        data = read_small(self._path)
        if data != self._data:
            self._listed = {entry.name: entry for entry in self._parse(data)}
            self._data = data
        topics = dict(self._listed)
        for name, partitions in self._found().items():
            if name not in topics:
                topics[name] = TopicEntry(
                    name, None, partitions, parse(TopicConfig, {}), foreign=True
                )
        return topics

    def _parse(self, data: bytes | None) -> list[TopicEntry]:
        if data is None:
            return []
        try:
            document = json.loads(data)
            version = document["version"]
            if isinstance(version, int) and version > _VERSION:
                raise UnsupportedFormat(
                    path=self._path,
                    reason=f"version {version}; this logflume knows up to {_VERSION}",
                )
            return [
                TopicEntry(
                    name=name,
                    topic_id=item["id"],
                    partitions=int(item["partitions"]),
                    config=parse(TopicConfig, item["config"]),
                    deleting=bool(item.get("deleting", False)),
                )
                for name, item in document["topics"].items()
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptRecord(
                path=self._path, position=0, reason=f"not a list of topics: {error}"
            ) from error

    def _found(self) -> dict[str, int]:
        """Topics that have partition directories: name to the highest partition + 1."""
        found: dict[str, int] = {}
        known, self._names = self._names, {}
        for entry in os.scandir(self._directory):
            name = entry.name
            parsed = known[name] if name in known else layout.parse_partition_directory(name)
            self._names[name] = parsed
            if parsed is None or parsed.mark or parsed.topic == layout.CLUSTER_METADATA_TOPIC:
                continue
            if entry.is_dir():
                found[parsed.topic] = max(found.get(parsed.topic, 0), parsed.partition + 1)
        return found
