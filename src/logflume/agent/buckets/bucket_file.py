"""A file that is being written."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.buckets.encoder import Encoder
    from logflume.agent.buckets.store import Output, Store
    from logflume.agent.events import EventBatch

__all__ = ["BucketFile"]


class BucketFile:
    """One thread at a time. `written` and `settled` are bytes of the file, `body_bytes` what Flume rolls by."""

    def __init__(self, path: str, final: str, store: Store, encoder: Encoder, now: float) -> None:
        self.path = path
        self.final = final
        self.store = store
        self._encoder = encoder
        self._output: Output | None = None
        self.events = 0
        self.body_bytes = 0
        self.written = 0
        self.settled = 0
        """What the file is cut back to when the flow fails; 0: it is removed."""
        self.is_dirty = False
        """Events came since the last settling."""
        self.opened_at = now
        self.touched_at = now

    def take(self, events: EventBatch, count_max: int, bytes_max: int, now: float) -> EventBatch:
        """As many of these as go in before the file is full; 0 for a limit that is none. `put` writes them."""
        room = len(events)
        if count_max:
            room = min(room, count_max - self.events)
        if bytes_max and self.body_bytes + events.nbytes >= bytes_max:
            ends = list(accumulate(map(len, events.body_list())))
            # The event that reaches the limit still goes in: the next does not.
            room = min(room, bisect_left(ends, bytes_max - self.body_bytes) + 1)
        taken = events[:room]
        self.events += len(taken)
        self.body_bytes += taken.nbytes
        self.touched_at = now
        self.is_dirty = True
        return taken

    def is_full(self, count_max: int, bytes_max: int) -> bool:
        """Nothing more goes in."""
        return bool(
            (count_max and self.events >= count_max) or (bytes_max and self.body_bytes >= bytes_max)
        )

    def put(self, events: EventBatch) -> None:
        """Append events; the first time the file is made. Its name is noted by then."""
        if self._output is None:
            self._output = self.store.create(self.path)
            self._write(self._encoder.head())
        self._write(self._encoder.encode(events))

    def sync(self) -> None:
        """All events that were put are in it, and on disk."""
        if self._output is None:
            return
        self._write(self._encoder.finish())
        self._output.sync()

    def close(self) -> None:
        """No more comes."""
        output, self._output = self._output, None
        if output is not None:
            output.close()

    def end(self) -> None:
        """Sync and close."""
        self.sync()
        self.close()

    def _write(self, data: bytes | memoryview) -> None:
        if len(data):
            assert self._output is not None
            self._output.write(data)
            self.written += len(data)
