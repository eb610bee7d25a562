"""Calls that may wait for the disk or for another process, run off the event loop."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    T = TypeVar("T")

__all__ = ["in_thread"]

# More than one, so that a recovery that takes seconds holds up nobody else. Threads start when they are needed:
# calls that come one by one share a single one.
_THREADS_MAX = 4

_executor: ThreadPoolExecutor | None = None


def _threads() -> ThreadPoolExecutor:
    global _executor
    if _executor is None:
        _executor = ThreadPoolExecutor(_THREADS_MAX, thread_name_prefix="logflume-aio")
    return _executor


def _forget_threads() -> None:
    """A forked child has none of its parent's threads."""
    global _executor
    _executor = None


os.register_at_fork(after_in_child=_forget_threads)


def in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
    """Start `function(*args, **kwargs)` in a thread now; the future has what it returns or raises.

    Once started it is not taken back: whoever stops waiting for the future leaves the call running.
    """
    loop = asyncio.get_running_loop()
    return loop.run_in_executor(_threads(), partial(function, *args, **kwargs))
