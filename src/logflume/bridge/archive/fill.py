"""Filling an archive from a log or another archive: what is new of each partition, then one commit for all."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from logflume.bridge.archive.cuts import parts_of
from logflume.bridge.archive.origins import origin_of
from logflume.bridge.archive.pieces import OBJECT_BYTES
from logflume.bridge.report import MirrorReport
from logflume.bridge.topics import copied_topics
from logflume.errors import UnsupportedByEngine
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from logflume.bridge.archive.archive import Archive
    from logflume.bridge.archive.origins import Origin
    from logflume.client.log import Log

    OnProgress = Callable[[int, int], None]

__all__ = ["fill"]

_AT_ONCE = 4
_RUN_BYTES = 4 << 20


def fill(
    source: Log | Archive,
    archive: Archive,
    topics: Iterable[str] | None = None,
    *,
    until: int | None = None,
    follow: bool = False,
    keep: bool = False,
    interval_s: float = 1.0,
    stop: threading.Event | None = None,
    on_progress: OnProgress | None = None,
) -> list[MirrorReport]:
    """Copy topics (default: all) and what groups committed into an archive; go on where an earlier copy ended.

    Parameters: `until` (ms since 1970), of another archive: what was there at that time, see `restore`; `follow`, go on
    with what comes until `stop` is set, looking every `interval_s` seconds; `keep`, leave in the archive what
    retention and compaction delete in the source (else the archive follows them; deleted topics stay in both cases).
    Of a cluster each partition is copied up to its last stable offset, see docs/archives.md. Raises CopyDiffers,
    InvalidPartitions, ArchiveTaken, UnsupportedByEngine for a copy of an archive onto itself, and what reading and the
    store raise.
    """
    ended = stop or threading.Event()
    wanted = None if topics is None else list(topics)
    if source.path == archive.path:
        raise UnsupportedByEngine(
            what="a copy of an archive onto itself", instead="another address"
        )
    origin = origin_of(source, archive, until)
    archive.begin()
    with _Filling(source, origin, archive, keep, on_progress) as filling:
        while True:
            if origin.look():
                filling.cycle(copied_topics(source) if wanted is None else wanted)
            if not follow or ended.is_set():
                return filling.report()
            ended.wait(interval_s)


class _Filling:
    """The copies of a fill() under way. Not thread-safe."""

    def __init__(
        self,
        source: Log | Archive,
        origin: Origin,
        archive: Archive,
        keep: bool,
        on_progress: OnProgress | None,
    ) -> None:
        self._source = source
        self._origin = origin
        self._archive = archive
        self._keep = keep
        self._on_progress = on_progress
        self._sums: dict[TopicPartition, tuple[int, int]] = {}
        self._mutex = threading.Lock()
        self._workers = ThreadPoolExecutor(_AT_ONCE, "logflume-archive")

    def __enter__(self) -> _Filling:
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.shutdown(cancel_futures=True)
        self._origin.close()

    def cycle(self, named: list[str]) -> None:
        """Copy what is new, and commit it."""
        names = [*named, *self._origin.internal()]
        for name in names:
            self._archive.take_topic(self._source.describe_topic(name))
        wheres = [TopicPartition(n, p) for n in names for p in range(len(self._archive[n]))]
        groups = self._origin.groups(names)
        if groups is not None:
            self._archive.set_groups(groups)
        ends = self._origin.ends(wheres)
        work = [self._workers.submit(self._copy, where, ends[where]) for where in wheres]
        for each in work:
            each.result()
        self._archive.commit()

    def report(self) -> list[MirrorReport]:
        """What was copied since the start."""
        return [
            MirrorReport(*where, *total, self._archive.partition(*where).end_offset)
            for where, total in sorted(self._sums.items())
        ]

    def _copy(self, where: TopicPartition, end: int) -> None:
        """One partition, up to `end`. Runs in a worker: no other has this partition meanwhile."""
        target = self._archive.partition(*where)
        kept = self._keep and target.end_offset > 0
        cleaned = self._origin.cleaned(where)
        copy = self._origin.copy(where, end)
        with self._mutex:
            self._sums.setdefault(where, (0, 0))
        while (step := copy.step()) is not None:
            with self._mutex:
                records, size = self._sums[where]
                self._sums[where] = records + step.records, size + step.size
                if self._on_progress is not None:
                    self._on_progress(step.records, step.size)
        target.flush()
        if not kept:
            target.raise_start(min(int(copy.source.start_offset), end))
        if not self._keep and cleaned > target.cleaned_offset:
            old, upto = target.begin_again(min(cleaned, target.end_offset))
            if old:
                target.replace(old, _objects(copy.source, upto), cleaned)


def _objects(source: Any, upto: int) -> list[bytes]:
    """A compacted partition's batches below `upto`, as objects of a good size."""
    reader = source.batches(source.start_offset)
    done: list[bytes] = []
    data = bytearray()
    while reader.position < upto and (raw := reader.read(_RUN_BYTES)) is not None:
        if raw.end_offset <= upto:
            data += raw.view
        else:
            for part in parts_of(raw.view, raw.base_offset, upto):
                data += part.data
        if len(data) >= OBJECT_BYTES:
            done.append(bytes(data))
            data.clear()
    return [*done, bytes(data)] if data else done
