"""What an archive has of some partitions, as a log in a temporary directory: for those who want committed records."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager

from logflume.bridge.archive.filler import filler_batch
from logflume.bridge.archive.restoring import Restoring
from logflume.client.log import open_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from logflume.bridge.archive.archive import Archive
    from logflume.client.log import Log
    from logflume.types import TopicPartition

__all__ = ["staged"]

_KEEP = {"cleanup.policy": "delete", "retention.ms": -1, "retention.bytes": -1}


@contextmanager
def staged(
    archive: Archive,
    starts: Mapping[TopicPartition, int],
    cuts: Mapping[TopicPartition, int],
) -> Iterator[Log]:
    """A read-only log with these partitions, each from an offset on and up to its cut, while the block runs.

    It lies in the machine's directory for temporary files (TMPDIR). Whether a record was committed is known only
    when the end of its transaction was read; the log's index of transactions knows, and takes no memory. Nobody
    aborts in it what stays open: the archive may get the end later. Raises what the store and appending raise.
    """
    with tempfile.TemporaryDirectory(prefix="logflume-") as path:
        with open_log(path) as log:
            engine: Any = log.engine  # internal topics, too
            for name in {where.topic for where in starts}:
                engine.create_topic(name, partitions=len(archive[name]), config=_KEEP)
            for where, start in starts.items():
                if start:
                    target = log.partition(*where)
                    target.append_at(filler_batch(start - 1), start - 1)
                    target.set_start_offset(start)
                copy = Restoring(archive, log, where, cuts.get(where))
                while copy.step() is not None:
                    pass
        with open_log(path, read_only=True) as log:
            yield log
