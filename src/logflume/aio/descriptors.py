"""Descriptors that several coroutines of an event loop wait for: a loop itself keeps one callback for each."""

from __future__ import annotations

import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Protocol

    class Sleeps(Protocol):
        """Who is to be woken."""

        def wake(self) -> None: ...


__all__ = ["unwatch_descriptor", "watch_descriptor"]

_watched: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, list[Sleeps]]] = (
    weakref.WeakKeyDictionary()
)


def watch_descriptor(loop: asyncio.AbstractEventLoop, descriptor: int, who: Sleeps) -> None:
    """Wake `who` each time the descriptor is readable, until unwatched."""
    waiting = _watched.setdefault(loop, {}).setdefault(descriptor, [])
    waiting.append(who)
    if len(waiting) == 1:
        loop.add_reader(descriptor, _tell, waiting)


def unwatch_descriptor(loop: asyncio.AbstractEventLoop, descriptor: int, who: Sleeps) -> None:
    """Wake it no more."""
    waiting = _watched[loop][descriptor]
    waiting.remove(who)
    if not waiting:
        del _watched[loop][descriptor]
        loop.remove_reader(descriptor)


def _tell(waiting: list[Sleeps]) -> None:
    for who in list(waiting):
        who.wake()
