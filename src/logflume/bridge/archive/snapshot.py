"""The objects that say what an archive holds: one manifest for each partition, one snapshot over all of them.

`docs/archives.md` has the layout.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from logflume.bridge.archive.pieces import Piece, checksum
from logflume.errors import CorruptRecord, UnsupportedFormat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Groups = dict[str, list[tuple[str, int, int, str]]]

__all__ = ["FORMAT", "SNAPSHOTS", "PartitionManifest", "Snapshot", "StoredTopic", "snapshot_key"]

FORMAT = 1
SNAPSHOTS = "snapshots/"


@dataclass(frozen=True, slots=True)
class PartitionManifest:
    """What is stored of a partition: pieces in order, without overlap."""

    start_offset: int = 0
    cleaned_offset: int = 0
    """As far as the original had been compacted when it was copied."""
    pieces: tuple[Piece, ...] = ()

    @property
    def end_offset(self) -> int:
        """Behind the last batch."""
        return max(self.start_offset, self.pieces[-1].end_offset if self.pieces else 0)

    def encode(self) -> bytes:
        """As an object."""
        return _encode(
            {
                "start_offset": self.start_offset,
                "cleaned_offset": self.cleaned_offset,
                "pieces": [list(piece) for piece in self.pieces],
            }
        )

    @classmethod
    def decode(cls, data: bytes, name: str) -> PartitionManifest:
        """Raises CorruptRecord, UnsupportedFormat."""
        found = _decode(data, name)
        pieces = tuple(Piece(*row) for row in found["pieces"])
        return cls(found["start_offset"], found["cleaned_offset"], pieces)


@dataclass(frozen=True, slots=True)
class StoredTopic:
    """A topic as it was in the original."""

    partitions: int
    config: dict[str, str]
    topic_id: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole archive at one moment. Its number is its place in the order of all; the highest counts."""

    number: int = 0
    writer: str = ""
    """Who wrote it: one that finds another's behind its own is not the writer any more."""
    written_ms: int = 0
    topics: dict[str, StoredTopic] = field(default_factory=dict)
    manifests: dict[str, str] = field(default_factory=dict)
    """The key of the manifest of each `topic/partition`."""
    groups: Groups = field(default_factory=dict)
    """Committed offsets, where the original's `__consumer_offsets` are not archived themselves (a cluster's)."""
    trash: tuple[tuple[str, int], ...] = ()
    """Objects that nobody needs any more but a reader of an earlier snapshot, and since when (ms since 1970)."""

    def encode(self) -> bytes:
        """As an object."""
        topics = {n: [t.partitions, t.config, t.topic_id] for n, t in self.topics.items()}
        return _encode(
            {
                "number": self.number,
                "writer": self.writer,
                "written_ms": self.written_ms,
                "topics": topics,
                "manifests": self.manifests,
                "groups": self.groups,
                "trash": self.trash,
            }
        )

    @classmethod
    def decode(cls, data: bytes, name: str) -> Snapshot:
        """Raises CorruptRecord, UnsupportedFormat."""
        found = _decode(data, name)
        return cls(
            found["number"],
            found["writer"],
            found["written_ms"],
            {n: StoredTopic(*row) for n, row in found["topics"].items()},
            found["manifests"],
            {n: [(t, p, o, m) for t, p, o, m in rows] for n, rows in found["groups"].items()},
            tuple((key, since) for key, since in found["trash"]),
        )

    def after(self, **changes: Any) -> Snapshot:
        """The next one."""
        return replace(self, number=self.number + 1, **changes)


def snapshot_key(number: int) -> str:
    """Its object's name."""
    return f"{SNAPSHOTS}{number:020d}.json"


def _encode(body: dict[str, Any]) -> bytes:
    """A line that says what follows, so that a file cut short or changed is noticed; then JSON."""
    text = json.dumps(body, separators=(",", ":")).encode()
    return b"logflume-archive %d %s\n" % (FORMAT, checksum(text).encode()) + text


def _decode(data: bytes, name: str) -> dict[str, Any]:
    head, _, text = bytes(data).partition(b"\n")
    words = head.split()
    if len(words) != 3 or words[0] != b"logflume-archive":
        raise CorruptRecord(path=name, position=0, reason="not an archive's manifest")
    if words[1] != b"%d" % FORMAT:
        raise UnsupportedFormat(path=name, reason=f"archive format {words[1].decode()}")
    if words[2].decode() != checksum(text):
        raise CorruptRecord(path=name, position=0, reason="checksum mismatch")
    found: dict[str, Any] = json.loads(text)
    return found
