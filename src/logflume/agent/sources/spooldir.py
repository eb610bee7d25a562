"""Files that are put into a directory whole."""

from __future__ import annotations

import json
import os
import random
import re

from logflume.agent.components import Source
from logflume.agent.events import EventBatch
from logflume.agent.java_regex import Regex
from logflume.agent.options import ComponentConfig, family, needed, setting
from logflume.agent.registry import source
from logflume.agent.sources.spool_reader import reader_of
from logflume.config.kinds import Bool, Choice, Duration, Int, Text
from logflume.errors import StorageError
from logflume.log.filesystem import sync_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "SpoolDirConfig",
    "SpoolDirSource",
]


class SpoolDirConfig(ComponentConfig, table="spooling directory source"):
    """Flume guide, "Spooling Directory Source"."""

    spool_dir: str = needed("spoolDir", Text(), doc="The directory.")
    file_suffix: str = setting(
        "fileSuffix", ".COMPLETED", Text(), doc="Put behind the name of a file that was read."
    )
    delete_policy: str = setting(
        "deletePolicy", "never", Choice("never", "immediate"), doc="Delete files that were read."
    )
    tracking_policy: str = setting(
        "trackingPolicy",
        "rename",
        Choice("rename", "tracker_dir"),
        doc="Rename a file that was read, or note it in trackerDir.",
    )
    tracker_dir: str = setting(
        "trackerDir",
        ".flumespool",
        Text(),
        doc="Directory of those notes, inside spoolDir unless absolute.",
    )
    include_pattern: re.Pattern[str] | str = setting(
        "includePattern", "^.*$", Regex(), doc="Names of files to read."
    )
    ignore_pattern: re.Pattern[str] | str = setting(
        "ignorePattern", "^$", Regex(), doc="Names of files to pass over."
    )
    consume_order: str = setting(
        "consumeOrder",
        "oldest",
        Choice("oldest", "youngest", "random"),
        doc="Which file comes next.",
    )
    recursive: bool = setting(
        "recursiveDirectorySearch", False, Bool(), doc="Look into directories inside, too."
    )
    poll_delay: int = setting(
        "pollDelay", 500, Duration(), doc="Time between looks into the directory."
    )
    batch_size: int = setting("batchSize", 100, Int(min=1), doc="Events of a transaction.")
    max_backoff: int = setting(
        "maxBackoff",
        4000,
        Duration(),
        doc="Longest pause while a channel is full.",
        no_effect="The pause doubles up to five seconds for every source.",
    )
    input_charset: str = setting("inputCharset", "UTF-8", Text(), doc="Encoding of the files.")
    decode_error_policy: str = setting(
        "decodeErrorPolicy",
        "FAIL",
        Choice("FAIL", "REPLACE", "IGNORE"),
        doc="What to do with bytes it does not have. With FAIL, UTF-8 files are not decoded, so never fail.",
    )
    file_header: bool = setting("fileHeader", False, Bool(), doc="A header with the file's path.")
    file_header_key: str = setting("fileHeaderKey", "file", Text(), doc="That header's name.")
    basename_header: bool = setting(
        "basenameHeader", False, Bool(), doc="A header with the file's name."
    )
    basename_header_key: str = setting(
        "basenameHeaderKey", "basename", Text(), doc="That header's name."
    )
    deserializer: str = setting("deserializer", "LINE", Text(), doc="How a file becomes events.")
    deserializer_options: dict[str, str] = family("deserializer.", doc="Its properties.")


@source("spooldir", "org.apache.flume.source.SpoolDirectorySource")
class SpoolDirSource(Source):
    """Each file once, each event once: with a durable channel the place in the file is stored with the events.

    A file must not change after it came, nor its name come again: either stops the source with an error.
    """

    Config = SpoolDirConfig

    def setup(self) -> None:
        self._include = re.compile(self.config.include_pattern)
        self._ignore = re.compile(self.config.ignore_pattern)
        self._tracker: str = os.path.join(self.config.spool_dir, self.config.tracker_dir)
        self._reader = reader_of(
            self.config.deserializer,
            self.config.deserializer_options,
            self.config.input_charset,
            self.config.decode_error_policy,
        )

    def open(self) -> None:
        if not os.path.isdir(self.config.spool_dir):
            raise StorageError(path=self.config.spool_dir, reason="is no directory")

    def run(self) -> None:
        stored = self.positions.load().get("file")
        place = json.loads(stored) if stored else None
        while not self.draining.is_set():
            path = self._next(place)
            if path is None:
                self.draining.wait(self.config.poll_delay / 1000)
                continue
            if not self._read(path, place):
                return
            place = None

    # ---- files

    def _candidates(self) -> Iterator[os.DirEntry[str]]:
        places = [self.config.spool_dir]
        while places:
            with os.scandir(places.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if self.config.recursive and not entry.name.startswith("."):
                            places.append(entry.path)
                    elif self._is_wanted(entry):
                        yield entry

    def _is_wanted(self, entry: os.DirEntry[str]) -> bool:
        name = entry.name
        return (
            not name.startswith(".")
            and not name.endswith(self.config.file_suffix)
            and self._include.fullmatch(name) is not None
            and self._ignore.fullmatch(name) is None
            and not (
                self.config.tracking_policy == "tracker_dir"
                and os.path.exists(self._note_of(entry.path))
            )
        )

    def _next(self, place: dict[str, object] | None) -> str | None:
        """The file that was begun comes first."""
        begun = "" if place is None else str(place["path"])
        if begun and os.path.exists(begun):
            return begun
        found = list(self._candidates())
        if not found:
            return None
        if self.config.consume_order == "random":
            return str(random.choice(found).path)
        ordered = sorted(found, key=lambda entry: (entry.stat().st_mtime_ns, entry.name))
        chosen = ordered[0 if self.config.consume_order == "oldest" else -1]
        return str(chosen.path)

    def _note_of(self, path: str) -> str:
        inside = os.path.relpath(path, self.config.spool_dir)
        return os.path.join(self._tracker, inside + self.config.file_suffix)

    def _read(self, path: str, place: dict[str, object] | None) -> bool:
        """One file to its end; False when the agent stops meanwhile."""
        before = os.stat(path)
        at = 0
        if place is not None and place["path"] == path and place["inode"] == before.st_ino:
            at = int(str(place["position"]))
        common: dict[str, str] = {}
        if self.config.file_header:
            common[self.config.file_header_key] = os.path.abspath(path)
        if self.config.basename_header:
            common[self.config.basename_header_key] = os.path.basename(path)
        common.update(self._reader.headers(path))
        for bodies, position in self._reader.read(path, at, self.put_max):
            known = {"path": path, "inode": before.st_ino, "position": position}
            self.deliver(EventBatch(bodies, common), {"file": json.dumps(known)})
            if self.draining.is_set():
                return False
        self.flush()  # what is renamed or deleted next must be on disk
        now = os.stat(path)
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise StorageError(
                path=path, reason="was changed while it was read; files must come whole"
            )
        self._done(path)
        return True

    def _done(self, path: str) -> None:
        if self.config.delete_policy == "immediate":
            os.unlink(path)
        elif self.config.tracking_policy == "rename":
            target = path + self.config.file_suffix
            if os.path.exists(target):
                raise StorageError(path=target, reason="is there already: a file's name came again")
            os.rename(path, target)
        else:
            note = self._note_of(path)
            os.makedirs(os.path.dirname(note), exist_ok=True)
            with open(note, "x", encoding="utf-8"):
                pass
        sync_directory(os.path.dirname(path))
