"""Producer ids of a directory: each is handed out once, whatever dies.

A lease of a million ids is taken with a sync; blocks of a thousand are taken from it without one, because the
page cache outlives processes. After a restart of the machine the rest of the lease is left alone: how much of it
was used need not have reached the disk.
"""

from __future__ import annotations

import json
import os
import threading

from logflume.errors import CorruptRecord
from logflume.log import layout
from logflume.log.boot import boot_id
from logflume.log.small_file import read_small, write_atomic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.log.locks import DirectoryLock

__all__ = ["ProducerIds"]

FIRST = 1_000_000_000
"""Far from those of a Kafka that had the directory before, or gets it: it counts from 0."""
LEASE = 1_000_000
BLOCK = 1000


class ProducerIds:
    """Hands out producer ids. Thread-safe; any number of processes may do it at once."""

    def __init__(self, directory: str, lock: DirectoryLock) -> None:
        self._leased = os.path.join(directory, layout.PRODUCER_IDS_FILE)
        self._used = os.path.join(directory, layout.PRODUCER_IDS_USED_FILE)
        self._lock = lock
        self._mutex = threading.Lock()
        self._next = self._end = 0

    def claim(self) -> int:
        """A producer id that nobody had. Raises LockTimeout, CorruptRecord, DiskFull, ReadOnlyDirectory."""
        with self._mutex:
            if self._next == self._end:
                with self._lock.changing():
                    self._next = self._take_block()
                self._end = self._next + BLOCK
            self._next += 1
            return self._next - 1

    def stay_above(self, producer_id: int) -> None:
        """Hand out higher ids than this only: records that were copied here have it.

        What other processes have taken already they go on handing out. Raises as claim.
        """
        with self._mutex, self._lock.changing():
            start, end = self._read_used(boot_id())
            following = start if start < end else self._read_leased()
            if following <= producer_id:
                above = max(self._read_leased(), producer_id + 1)
                write_atomic(self._leased, f"{above}\n".encode())
                write_atomic(self._used, b"{}\n", sync=False)
            if self._next <= producer_id:
                self._next = self._end = 0

    def _take_block(self) -> int:
        boot = boot_id()
        start, end = self._read_used(boot)
        if start + BLOCK > end:
            start = self._read_leased()
            end = start + LEASE
            write_atomic(self._leased, f"{end}\n".encode())
        used = {"boot": boot, "next": start + BLOCK, "end": end}
        write_atomic(self._used, json.dumps(used).encode() + b"\n", sync=False)
        return start

    def _read_leased(self) -> int:
        data = read_small(self._leased)
        if data is None:
            return FIRST
        if not data.strip().isdigit():
            raise CorruptRecord(path=self._leased, position=0, reason="not a producer id")
        return int(data)

    def _read_used(self, boot: str) -> tuple[int, int]:
        """What is left of the lease; nothing, where that cannot be told."""
        data = read_small(self._used)
        try:
            found = json.loads(data or b"{}")
            start, end = int(found["next"]), int(found["end"])
        except (ValueError, KeyError, TypeError):
            return 0, 0
        trusted = boot and found.get("boot") == boot and end <= self._read_leased()
        return (start, end) if trusted else (0, 0)

    def forget(self) -> None:
        """In a forked child: the block at hand is the parent's."""
        self._mutex = threading.Lock()
        self._next = self._end = 0
