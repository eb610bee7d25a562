"""Jobs that threads do together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

__all__ = ["each_thread", "in_threads"]


def in_threads(jobs: Sequence[Callable[[], object]]) -> None:
    """Each in a thread of its own; returns when all are done."""
    workers = [threading.Thread(target=job) for job in jobs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def each_thread(threads: int, job: Callable[[int], object]) -> Callable[[], None]:
    """`job(number)` in so many threads."""
    return lambda: in_threads([partial(job, number) for number in range(threads)])
