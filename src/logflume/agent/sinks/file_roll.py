"""Events into local files; each of them once, also after a crash."""

from __future__ import annotations

import json
import os
import time

from logflume.agent.components import Sink
from logflume.agent.options import ComponentConfig, family, needed, parse_component, setting
from logflume.agent.registry import find, sink
from logflume.config.kinds import Choice, Int, Size, Text
from logflume.errors import StorageError
from logflume.log.filesystem import raise_typed, sync_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.events import EventBatch

__all__ = [
    "FileRoll",
    "FileRollConfig",
]


_TAKE_MAX = 10_000


class FileRollConfig(ComponentConfig, table="file roll sink"):
    """Flume guide, "File Roll Sink"."""

    directory: str = needed("sink.directory", Text(), doc="Where the files are written.")
    roll_interval: int = setting(
        "sink.rollInterval", 30, Int(), doc="Seconds after which a new file is begun; 0: never."
    )
    roll_size: int = setting(
        "sink.rollSize",
        0,
        Size(),
        doc="Bytes after which a new file is begun; 0: never.",
        origin="logflume",
    )
    roll_count: int = setting(
        "sink.rollCount",
        0,
        Int(),
        doc="Events after which a new file is begun; 0: never.",
        origin="logflume",
    )
    path_manager: str = setting(
        "sink.pathManager",
        "default",
        Choice("default", "rolltime"),
        doc="How files are named: `<ms>-<n>`, or `<date and time>-<n>`.",
    )
    prefix: str | None = setting(
        "sink.pathManager.prefix", None, Text(), doc="What the names begin with."
    )
    extension: str | None = setting(
        "sink.pathManager.extension", None, Text(), doc="What the names end with."
    )
    serializer: str = setting("sink.serializer", "text", Text(), doc="How events are written.")
    serializer_options: dict[str, str] = family(
        "sink.serializer.", doc="Properties of the serializer."
    )
    batch_size: int = setting("sink.batchSize", 100, Int(min=1), doc="Events of a transaction.")


@sink("file_roll", "org.apache.flume.sink.RollingFileSink")
class FileRoll(Sink):
    """Appends to one file at a time.

    The channel keeps, with its position, the file's name and how long it was: what a crash left behind that is cut
    off before the events come again. Files are synced ten times a second, and the position is stored after them.
    A file without events is never made (Flume makes empty ones).
    """

    Config = FileRollConfig
    settle_interval_s = 0.1

    def setup(self) -> None:
        kind = find("serializer", self.config.serializer, "sink.serializer")
        self._serializer = kind(parse_component(kind.Config, self.config.serializer_options))
        self._fd = -1
        self._path = ""
        self._size = 0
        self._count = 0
        self._opened = 0.0
        self._series = int(time.time() * 1000)
        self._number = 0

    def open(self) -> None:
        try:
            os.makedirs(self.config.directory, exist_ok=True)
        except OSError as error:
            raise_typed(error, self.config.directory)

    @property
    def take_max(self) -> int:
        return max(self.batch_size, _TAKE_MAX)

    def restore(self, note: str | None) -> None:
        """Cut off what was written behind the note, and remove the file that may have been begun since."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if note is None:
            return
        kept = json.loads(note)
        path, size, following = kept["file"], kept["size"], kept["next"]
        try:
            if path and os.path.exists(path) and os.path.getsize(path) > size:
                self.log.warning("unsettled_bytes_cut", path=path, size=size)
                os.truncate(path, size)
            if os.path.exists(following):
                self.log.warning("unsettled_file_removed", path=following)
                os.unlink(following)
        except OSError as error:
            raise_typed(error, path)

    def write(self, batch: EventBatch) -> None:
        if self._fd < 0:
            self._begin()
        rest = memoryview(self._serializer.encode(batch))
        self._size += len(rest)
        self._count += len(batch)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            raise_typed(error, self._path)

    def settle(self) -> None:
        if self._fd < 0 or not self.channel_is_durable:
            return
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise_typed(error, self._path, syncing=True)

    def note(self) -> str | None:
        """File and size, and the name of the file after it: that one may exist when this note is the newest."""
        return json.dumps(
            {"file": self._path, "size": self._size, "next": self._name(self._number)}
        )

    def settled(self) -> None:
        # A new file begins between two settlings only, so that a note tells of one file and the next.
        if self._fd >= 0 and self._full():
            self._end()

    def idle(self) -> None:
        self.settled()

    def _old(self) -> bool:
        interval = self.config.roll_interval
        return bool(interval) and time.monotonic() - self._opened >= interval

    def _full(self) -> bool:
        size, count = self.config.roll_size, self.config.roll_count
        return (
            bool((size and self._size >= size) or (count and self._count >= count)) or self._old()
        )

    def _name(self, number: int) -> str:
        if self.config.path_manager == "rolltime":
            stamp = time.strftime("%Y%m%d%H%M%S", time.localtime(self._series / 1000))
        else:
            stamp = str(self._series)
        extension = f".{self.config.extension}" if self.config.extension else ""
        name = f"{self.config.prefix or ''}{stamp}-{number + 1}{extension}"
        return os.path.join(os.path.abspath(self.config.directory), name)

    def _begin(self) -> None:
        path = self._name(self._number)
        try:
            # Never into a file that is there: it may be somebody else's.
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            raise StorageError(path=path, reason="is there already, and not ours") from None
        except OSError as error:
            raise_typed(error, path)
        self._number += 1
        self._path, self._size, self._count, self._opened = path, 0, 0, time.monotonic()
        sync_directory(self.config.directory)
        head = self._serializer.head()
        if head:
            os.write(self._fd, head)
            self._size = len(head)

    def _end(self) -> None:
        fd, self._fd = self._fd, -1
        os.close(fd)

    def close(self) -> None:
        if self._fd >= 0:
            self._end()
