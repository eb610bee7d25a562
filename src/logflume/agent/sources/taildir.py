"""Files that others append to and rotate."""

from __future__ import annotations

import json
import os
import re
import time

from logflume._native.lines import split_lines
from logflume.agent.components import Source
from logflume.agent.events import EventBatch
from logflume.agent.java_regex import to_python
from logflume.agent.options import ComponentConfig, Names, family, needed, setting
from logflume.agent.positions import FORGOTTEN
from logflume.agent.registry import source
from logflume.agent.sources.tail_file import Tail, TailPlace
from logflume.config.kinds import LONG_MAX, Bool, Duration, Int, Text
from logflume.errors import InvalidConfig, StorageError
from logflume.log.small_file import write_atomic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from logflume._native.lines import Lines

__all__ = [
    "TailDirConfig",
    "TailDirSource",
]

_LINE_BYTES_MAX = 1_000_000  # a longer line is cut into several events
_READ = _LINE_BYTES_MAX  # so that a line without an end yet is cut there and nowhere else
_LOOK_S = 0.25  # how often the directories are looked through for new files
_PAUSE_S = 0.02
_FORGET_S = 86_400.0  # a file that is away for longer, and comes back, is a new one


class TailDirConfig(ComponentConfig, table="taildir source"):
    """Flume guide, "Taildir Source"."""

    filegroups: tuple[str, ...] = needed("filegroups", Names(), doc="Names of groups of files.")
    paths: dict[str, str] = family(
        "filegroups.",
        doc="Each group's path; a regular expression in the file name only.",
        required=True,
    )
    headers: dict[str, str] = family(
        "headers.", doc="`headers.GROUP.NAME`: a header of its events."
    )
    position_file: str = setting(
        "positionFile",
        "~/.flume/taildir_position.json",
        Text(),
        doc="Flume's file of positions: read at the first start, written for who looks into it."
        " With a durable channel the positions that count are stored with the events.",
    )
    batch_size: int = setting("batchSize", 100, Int(min=1), doc="Events of a transaction.")
    max_batch_count: int = setting(
        "maxBatchCount",
        LONG_MAX,
        Int(min=1, max=LONG_MAX),
        doc="Batches of one file before the next file's turn.",
    )
    byte_offset_header: bool = setting(
        "byteOffsetHeader", False, Bool(), doc="A header `byteoffset`: where the line begins."
    )
    skip_to_end: bool = setting(
        "skipToEnd",
        False,
        Bool(),
        doc="Begin files that are there at the start, without a stored position, at their end.",
    )
    idle_timeout: int = setting(
        "idleTimeout",
        120_000,
        Duration(),
        doc="Time after which a file that does not grow is closed.",
    )
    write_pos_interval: int = setting(
        "writePosInterval", 3000, Duration(), doc="How often the position file is written."
    )
    file_header: bool = setting("fileHeader", False, Bool(), doc="A header with the file's path.")
    file_header_key: str = setting("fileHeaderKey", "file", Text(), doc="That header's name.")
    cache_pattern_matching: bool = setting(
        "cachePatternMatching",
        True,
        Bool(),
        doc="Trust a directory's time of change.",
        no_effect="Directories are listed four times a second.",
    )


@source("taildir", "org.apache.flume.source.taildir.TaildirSource")
class TailDirSource(Source):
    """Lines as they are appended, each once: with a durable channel the place is stored with the events.

    An unfinished last line waits. A rotated file is read to its end under its new name, and not again; one that was
    cut off is read from its start.
    """

    Config = TailDirConfig

    def setup(self) -> None:
        self._groups: list[tuple[str, str, re.Pattern[str]]] = []
        for group in self.config.filegroups:
            path = self.config.paths.get(group)
            name = f"filegroups.{group}"
            if not path:
                raise InvalidConfig(name=name, value=None, reason="must be given")
            directory, pattern = os.path.split(path)
            if not os.path.isabs(directory):
                raise InvalidConfig(name=name, value=path, reason="must be an absolute path")
            try:
                self._groups.append((group, directory, re.compile(to_python(pattern))))
            except (re.error, ValueError) as error:
                raise InvalidConfig(name=name, value=path, reason=str(error)) from None
        for name in [*self.config.paths, *(n.partition(".")[0] for n in self.config.headers)]:
            if name not in self.config.filegroups:
                raise InvalidConfig(
                    name=f"filegroups.{name}",
                    value=None,
                    reason=f"{name} is not named in filegroups",
                )
        self._headers = {
            group: {
                n.partition(".")[2]: value
                for n, value in self.config.headers.items()
                if n.partition(".")[0] == group
            }
            for group in self.config.filegroups
        }
        self._tails: dict[int, Tail] = {}
        self._places: dict[int, TailPlace] = {}
        self._file = os.path.expanduser(self.config.position_file)
        self._changed = False
        self._skips = self.config.skip_to_end
        self._gone: dict[int, float] = {}
        """Files that have a place, and that no directory has: since when."""

    def run(self) -> None:
        self._close_tails()
        self._places = self._stored()
        self._gone = {}
        looked = written = 0.0
        try:
            while not self.draining.is_set():
                now = time.monotonic()
                if now - looked >= _LOOK_S:
                    self._look(now)
                    looked = now
                    if self._skips:
                        self._skips = False  # what comes from now on is read from its start
                        self.flush()
                moved = sum(self._drain(tail) for tail in list(self._tails.values()))
                if now - written >= self.config.write_pos_interval / 1000:
                    self._write_file()
                    written = now
                if not moved:
                    self.draining.wait(_PAUSE_S)
        finally:
            self._write_file()
            self._close_tails()

    # ---- positions

    def _stored(self) -> dict[int, TailPlace]:
        """From the durable channel; before the first events of its own, from Flume's file."""
        stored = self.positions.load()
        entries = [json.loads(text) for text in stored.values()] if stored else self._read_file()
        places = [TailPlace.of(entry) for entry in entries]
        return {place.inode: place for place in places}

    def _read_file(self) -> list[dict[str, object]]:
        try:
            with open(self._file, encoding="utf-8") as file:
                entries = json.load(file)
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise StorageError(path=self._file, reason=f"cannot be read: {error}") from error
        if not isinstance(entries, list):
            raise StorageError(path=self._file, reason="is no list of positions")
        return entries

    def _write_file(self) -> None:
        if not self._changed:
            return
        for tail in self._tails.values():
            self._places[tail.inode] = tail.place()
        entries = [
            {"inode": p.inode, "pos": p.position, "file": p.path}
            for p in self._places.values()
            if p.inode not in self._gone
        ]
        os.makedirs(os.path.dirname(self._file), exist_ok=True)
        write_atomic(self._file, json.dumps(entries).encode(), sync=False)
        self._changed = False

    # ---- files

    def _look(self, now: float) -> None:
        """New files, renamed files, files that are gone or idle."""
        seen: dict[int, tuple[str, str]] = {}
        for group, directory, pattern in self._groups:
            try:
                entries = list(os.scandir(directory))
            except FileNotFoundError:
                continue
            for entry in entries:
                if pattern.fullmatch(entry.name) and entry.is_file():
                    seen.setdefault(entry.inode(), (group, entry.path))
        for inode, (group, path) in seen.items():
            tail = self._tails.get(inode)
            if tail is not None:
                tail.path = path
            elif self._wanted(inode, path):
                self._begin(inode, group, path, now)
        for inode, tail in list(self._tails.items()):
            gone = inode not in seen
            idle = now - tail.read_at >= self.config.idle_timeout / 1000
            if (gone or idle) and tail.size() <= tail.position:
                self._places[inode] = tail.place()
                tail.close()
                del self._tails[inode]
        self._forget(seen, now)

    def _forget(self, seen: Mapping[int, object], now: float) -> None:
        """Places of files that are gone leave the position file at once, as Flume's do, and memory some time later."""
        for inode in self._places:
            if inode in seen or inode in self._tails:
                if self._gone.pop(inode, None) is not None:
                    self._changed = True
            elif inode not in self._gone:
                self._gone[inode] = now
                self._changed = True
        old = [inode for inode, since in self._gone.items() if now - since >= _FORGET_S]
        for inode in old:
            del self._places[inode], self._gone[inode]
        if old:
            self.deliver(EventBatch([]), {str(inode): FORGOTTEN for inode in old})

    def _wanted(self, inode: int, path: str) -> bool:
        """A file that was read to its end is opened again only when it has another size."""
        place = self._places.get(inode)
        try:
            return place is None or os.path.getsize(path) != place.position
        except FileNotFoundError:
            return False

    def _begin(self, inode: int, group: str, path: str, now: float) -> None:
        try:
            tail = Tail(path, group, self._places.get(inode), at_end=self._skips)
        except FileNotFoundError:
            return
        except OSError as error:
            self.counters.add("EventReadFail")
            self.log.warning("file_unreadable", source=self.name, path=path, error=error)
            return
        tail.read_at = now
        self._tails[tail.inode] = tail
        if self._skips and tail.inode not in self._places:
            # Kept now: a start that comes before this file's first event must not skip what was written until then.
            self._places[tail.inode] = tail.place()
            self._changed = True
            self.deliver(EventBatch([]), {str(tail.inode): tail.place().text()})

    def _close_tails(self) -> None:
        for tail in self._tails.values():
            tail.close()
        self._tails.clear()

    # ---- events

    def _drain(self, tail: Tail) -> bool:
        """What a file has for us now; True when that was something."""
        moved = False
        for _ in range(min(self.config.max_batch_count, 1 << 20)):
            if self.draining.is_set() or tail.size() <= tail.position:
                break
            lines = split_lines(
                tail.read(_READ), whole_max=_LINE_BYTES_MAX, piece_max=_LINE_BYTES_MAX
            )
            if not len(lines):
                break
            self._send(tail, lines)
            moved = True
        return moved

    def _send(self, tail: Tail, lines: Lines) -> None:
        """Lines in transactions; the place moves with each."""
        start, size = tail.position, self.put_max
        common = dict(self._headers[tail.group])
        if self.config.file_header:
            common[self.config.file_header_key] = tail.path
        columns = None
        if self.config.byte_offset_header:
            columns = {"byteoffset": [str(start + at) for at in lines.starts()]}
        whole = EventBatch(lines, common, columns)
        at = 0
        while at < len(lines):
            upto = lines.cut(at, size)
            before = tail.position
            tail.position = start + lines.end(upto)
            try:
                self.deliver(whole[at:upto], {str(tail.inode): tail.place().text()})
            except BaseException:
                tail.position = before
                raise
            at = upto
        tail.read_at = time.monotonic()
        self._changed = True
