"""The files of a sink: begun, written, rolled, settled, renamed; and back to what was settled after a failure."""

from __future__ import annotations

import json
import time
from collections import OrderedDict

from logflume.agent.buckets.bucket_file import BucketFile
from logflume.agent.buckets.leftovers import Left, Leftovers, close_quietly
from logflume.errors import InvalidRecord, LogflumeError
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from logflume.agent.buckets.calls import Calls
    from logflume.agent.buckets.config import HdfsConfig
    from logflume.agent.buckets.encoder import Encoder
    from logflume.agent.buckets.stores import FileSystems
    from logflume.agent.counters import Counters
    from logflume.agent.events import EventBatch

    Bucket = tuple[str, ...]
    """Directory, and what names begin with."""
    Step = Callable[[], None]

__all__ = ["Files"]

_logger = get_logger(__name__)

_CLOSED_MAX = 200


class Files:
    """One thread's.

    A file keeps its name of the meantime until all its events are settled. `note()` names every file that has one, and
    how much of it is settled; a file that nothing is settled of was noted (`remember`) before it was made.
    Then `restore(note)` finds all that was written and not settled, whoever wrote it.
    """

    def __init__(
        self,
        config: HdfsConfig,
        systems: FileSystems,
        calls: Calls,
        counters: Counters,
        make_encoder: Callable[[], Encoder],
        extension: str,
        remember: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._systems = systems
        self._calls = calls
        self._counters = counters
        self._make_encoder = make_encoder
        self._suffix = config.file_suffix or extension
        self._in_use_suffix = "" if config.empty_in_use_suffix else config.in_use_suffix
        self._clock = clock
        self._open: OrderedDict[Bucket, BucketFile] = OrderedDict()
        self._closed: list[BucketFile] = []
        self._counter = int(time.time() * 1000)
        self._remember = remember
        self._left = Leftovers(
            systems,
            calls,
            config.retry_interval,
            config.close_tries if config.retry_interval else 1,
            lambda: counters.add("ConnectionFailedCount"),
            clock,
        )

    # ---- writing

    def write(self, parts: Sequence[tuple[Bucket, EventBatch]]) -> None:
        """Append to each bucket's file, and to the next when that is full; buckets at the same time."""
        most = self._config.max_open_files
        for at in range(0, len(parts), most):
            self._write_some(parts[at : at + most])

    def _write_some(self, parts: Sequence[tuple[Bucket, EventBatch]]) -> None:
        closed = len(self._closed)
        work = self._evict(parts)
        begun = 0
        for bucket, events in parts:
            steps, new = self._plan(bucket, events)
            work.append(steps)
            begun += new
        if begun:
            self._remember()
        self._call_all([lambda steps=steps: _do(steps) for steps in work])  # type: ignore[misc]
        self._counters.add("ConnectionCreatedCount", begun)
        self._counters.add("ConnectionClosedCount", len(self._closed) - closed)

    def _evict(self, parts: Sequence[tuple[Bucket, EventBatch]]) -> list[list[Step]]:
        """Close files that were not written to for longest, so that these buckets' files may be open."""
        wanted = {bucket for bucket, _ in parts}
        excess = len(wanted | self._open.keys()) - self._config.max_open_files
        others = [bucket for bucket in self._open if bucket not in wanted]
        out: list[list[Step]] = []
        for bucket in others[: max(excess, 0)]:
            file = self._open.pop(bucket)
            self._closed.append(file)
            out.append([file.end])
        return out

    def _plan(self, bucket: Bucket, events: EventBatch) -> tuple[list[Step], int]:
        """What is to be done for a bucket, one after the other, and how many files begin with it.

        Those are in the note from here on: that is stored before any of it is done.
        """
        count_max, bytes_max = self._config.roll_count, self._config.roll_size
        steps: list[Step] = []
        begun = 0
        now = self._clock()
        while len(events):
            file = self._open.get(bucket)
            if file is not None and file.is_full(count_max, bytes_max):
                del self._open[bucket]
                self._closed.append(file)
                steps.append(file.end)
                file = None
            if file is None:
                file = self._open[bucket] = self._new(bucket, now)
                begun += 1
            some = file.take(events, count_max, bytes_max, now)
            steps.append(lambda file=file, some=some: file.put(some))  # type: ignore[misc]
            self._open.move_to_end(bucket)
            events = events[len(some) :]
        return steps, begun

    def _new(self, bucket: Bucket, now: float) -> BucketFile:
        directory, prefix = bucket
        self._counter += 1
        name = f"{prefix}.{self._counter}{self._suffix}"
        final = f"{directory.rstrip('/')}/{name}"
        if ".." in final.split("/"):
            raise InvalidRecord(reason=f"{final} leads out of its directory")
        path = f"{directory.rstrip('/')}/{self._config.in_use_prefix}{name}{self._in_use_suffix}"
        return BucketFile(path, final, self._systems.of(path), self._make_encoder(), now)

    @property
    def is_pressed(self) -> bool:
        """So many files wait for their names that they should be settled."""
        return len(self._closed) >= _CLOSED_MAX

    def _retire(self, buckets: Sequence[Bucket]) -> None:
        """Close files of settled events."""
        self._call_all([self._open[bucket].end for bucket in buckets])
        self._closed += [self._open.pop(bucket) for bucket in buckets]
        self._counters.add("ConnectionClosedCount", len(buckets))

    def _call_all(self, functions: Sequence[Callable[[], None]]) -> None:
        try:
            self._calls.run_all(functions)
        except InvalidRecord:  # the event's fault, not the connection's
            raise
        except Exception:
            self._counters.add("ConnectionFailedCount")
            raise

    # ---- settling

    def settle(self) -> None:
        """All that was put is on disk."""
        dirty = [file for file in self._open.values() if file.is_dirty]
        if dirty:
            self._call_all([file.sync for file in dirty])
        for file in (*dirty, *self._closed):
            file.settled, file.is_dirty = file.written, False

    def settled(self) -> None:
        """The note of it is stored: files that are closed get their names, those that are old are closed."""
        now = self._clock()
        interval, idle = self._config.roll_interval, self._config.idle_timeout
        old = [
            bucket
            for bucket, file in self._open.items()
            if (interval and now - file.opened_at >= interval)
            or (idle and now - file.touched_at >= idle)
        ]
        if old:
            self._retire(old)
        self._publish()
        self._left.mend()

    def _publish(self) -> None:
        closed, self._closed = self._closed, []
        if not closed:
            return
        outcomes = self._calls.run_all([lambda file=file: _published(file) for file in closed])  # type: ignore[misc]
        for file, error in zip(closed, outcomes, strict=True):
            if error is not None:
                # As of any that is left behind: it is tried again, and Flume's properties say how often.
                self._counters.add("ConnectionFailedCount")
                _logger.warning("file_not_renamed", path=file.path, error=error)
                self._left.files.append(Left(file.path, file.final, file.settled))
                self._left.files[-1].tries = 1
                self._left.files[-1].due = self._clock() + self._config.retry_interval

    # ---- notes

    def note(self) -> str:
        """Every file that has no final name yet, as of the last settling."""
        directories: dict[str, list[tuple[str, str, int]]] = {}
        files = [(f.path, f.final, f.settled) for f in (*self._closed, *self._open.values())]
        files += [(left.path, left.final, left.size) for left in self._left.files]
        for path, final, size in files:
            directory, _, name = path.rpartition("/")
            # A prefix may have slashes in it, which the name of the meantime has elsewhere.
            at = final[len(directory) + 1 :] if final.startswith(f"{directory}/") else final
            directories.setdefault(directory, []).append((name, at, size))
        return json.dumps({"counter": self._counter, "files": directories})

    def restore(self, note: str | None) -> None:
        """Undo what the note does not have. None: nothing is known, and files are left as they are."""
        writing = [*self._open.values(), *self._closed]
        self._open.clear()
        self._closed = []
        self._left.files = []
        close_quietly([file.close for file in writing])
        if writing:
            self._systems.forget()
        if note is None:
            return
        kept = json.loads(note)
        self._counter = max(self._counter, kept["counter"])
        for directory, files in kept["files"].items():
            for name, at, size in files:
                final = at if "://" in at else f"{directory}/{at}"
                self._left.files.append(Left(f"{directory}/{name}", final, size))
        self._left.mend()

    def close(self) -> None:
        """Close all; those whose events are all settled get their final names, the others wait for a restore."""
        clean = [bucket for bucket, file in self._open.items() if not file.is_dirty]
        try:
            self._retire(clean)
            self._call_all([file.close for file in self._open.values()])
        except LogflumeError as error:
            _logger.warning("files_not_closed", error=error)
        self._open.clear()
        self._closed = [file for file in self._closed if file.settled == file.written]
        try:
            self._publish()
        except LogflumeError as error:
            _logger.warning("files_not_renamed", error=error)
        self._left.mend()


def _do(steps: Sequence[Step]) -> None:
    for step in steps:
        step()


def _published(file: BucketFile) -> LogflumeError | None:
    """None, or why the file has not its final name."""
    if file.path == file.final:
        return None
    try:
        if not file.store.publish(file.path, file.final):
            _logger.error("file_gone", path=file.path, reason="somebody took it away")
    except LogflumeError as error:
        return error
    return None
