"""One call after the other on an object that is not for two threads at once, some of them in a thread."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from inspect import isawaitable

from logflume.aio.blocking import in_thread
from logflume.errors import Closed, ConcurrentAccess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, TypeVar

    T = TypeVar("T")

__all__ = ["Turns"]

_LOOK_S = 1.0  # how often a listener's thread looks whether the loop is still there

# In a listener's context: whose listener it is, and the thread that waits for it.
_listening: ContextVar[tuple[Turns, _Calls] | None] = ContextVar("_listening", default=None)


class Turns:
    """What a consumer's calls go through. Belongs to the event loop of its first call.

    `thread()` runs one in a thread; meanwhile all others wait. A cancelled one goes on in its thread, and the
    others still wait for it. Listeners that such a call has to call are called in the loop, through `bridge()`,
    and the calls that they make in turn are run by the thread that waits for them: it holds the consumer.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Future[None] | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop. Raises ConcurrentAccess in another one than that of the calls before."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self._loop is not None and not self._loop.is_closed():
                raise ConcurrentAccess(what=f"{self._what}, of another event loop")
            self._loop, self._over = loop, None
        return loop

    def _waiting_thread(self) -> _Calls | None:
        """The thread that waits for the listener in which this is called; None outside of one."""
        found = _listening.get()
        return found[1] if found is not None and found[0] is self and not found[1].ended else None

    @property
    def listening(self) -> bool:
        """True in a listener: a thread that has the consumer waits for it."""
        return self._waiting_thread() is not None

    def from_any_thread(self, function: Callable[[], None]) -> None:
        """Have the loop call `function` soon; nobody does before the first call, or when the loop is closed."""
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(function)
            except RuntimeError:
                pass  # the loop is closed: nobody waits in it

    async def free(self) -> None:
        """Return when no call is under way in a thread: what follows without an await has the consumer."""
        self.loop()
        while self._over is not None and not self.listening:
            # A cancelled wait must not cancel the future that all share.
            await asyncio.shield(self._over)

    async def thread(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """`function(*args, **kwargs)` in a thread, after the calls before."""
        calls = self._waiting_thread()
        if calls is not None:
            return await calls.run(lambda: function(*args, **kwargs))
        await self.free()
        return await self.start(function, *args, **kwargs)

    def start(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> Awaitable[T]:
        """As thread(), begun before this returns; only after free(), without an await between."""
        loop = self.loop()
        over = self._over = loop.create_future()
        call = in_thread(function, *args, **kwargs)

        def end(_call: object) -> None:
            self._over = None
            if not over.done():
                over.set_result(None)

        call.add_done_callback(end)
        return asyncio.shield(call)

    def bridge(self, listener: Callable[[Any], Any] | None) -> Callable[[Any], None] | None:
        """`listener`, a function or a coroutine function, so that a call in a thread may call it."""
        if listener is None:
            return None
        loop = self.loop()
        chosen = listener

        def listen(partitions: Any) -> None:
            calls = _Calls(loop)
            told = asyncio.run_coroutine_threadsafe(self._listen(chosen, partitions, calls), loop)
            told.add_done_callback(lambda _: calls.end())
            calls.serve()
            told.result()

        return listen

    async def _listen(self, listener: Callable[[Any], Any], partitions: Any, calls: _Calls) -> None:
        _listening.set((self, calls))
        try:
            result = listener(partitions)
            if isawaitable(result):
                await result
        finally:
            calls.ended = True  # tasks that the listener started are on their own now


class _Calls:
    """Calls from the loop for a thread that waits there for a listener."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        from queue import SimpleQueue

        self.ended = False
        self._loop = loop
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    async def run(self, function: Callable[[], T]) -> T:
        """From the listener: `function()` in the waiting thread."""
        from concurrent.futures import Future

        result: Future[T] = Future()

        def call() -> None:
            try:
                result.set_result(function())
            except BaseException as error:  # told to the listener, whatever it is
                result.set_exception(error)

        self._queue.put(call)
        return await asyncio.wrap_future(result)

    def end(self) -> None:
        """The listener is done."""
        self._queue.put(None)

    def serve(self) -> None:
        """In the thread: run calls until the listener is done."""
        from queue import Empty

        while True:
            try:
                call = self._queue.get(timeout=_LOOK_S)
            except Empty:
                # Not to wait for ever, as the end of the program waits for this thread.
                if not self._loop.is_running():
                    raise Closed(what="the event loop of a rebalance listener") from None
                continue
            if call is None:
                return
            call()
