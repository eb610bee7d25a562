"""Which function serves which API: a table that handlers enter themselves into.

::

    @handles(ApiKey.HEARTBEAT, versions="0-4")
    async def heartbeat(call: Call, request: Any) -> Answer: ...
"""

from __future__ import annotations

import threading

from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeAlias, TypeVar

    from typing_extensions import Buffer

    from logflume._native.frames import Frame
    from logflume.broker.api_keys import ApiKey
    from logflume.broker.call import Call

    Answer: TypeAlias = Mapping[str, Any] | list[Buffer] | None
    """A response's fields, or all its bytes in pieces; None when the client wants none."""
    Parts: TypeAlias = Sequence[Buffer] | None
    """A raw handler's response: all its bytes, size and head too, in pieces that are written one after the other."""
    Function: TypeAlias = Callable[..., Any]
    Failed: TypeAlias = Callable[[Call, Any, int], Answer]
    F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["Handler", "Later", "Pipelined", "handles", "table"]


class Handler(NamedTuple):
    """One API as it is served: versions inclusive; the other fields as in `handles`."""

    api_key: ApiKey
    lowest: int
    highest: int
    function: Function
    advertised: int
    raw: bool
    before_login: bool
    cancellable: bool
    failed: Failed | None


class Pipelined(NamedTuple):
    """What a raw handler returns when all that has to happen in order has happened: a future of the response.

    The connection's next request is begun meanwhile. (For a coroutine or a bare future it has to wait.)
    """

    answer: asyncio.Future[Parts]


class Later:
    """What a raw handler returns when the response comes later, without a future: whoever has it calls `taker`.

    No turn of the event loop lies between the response and its writing, and none of them costs a task or a callback.
    """

    taker: Callable[[Parts], object]

    def cancel(self) -> object:
        """Nobody wants the response any more, or had it and will not ask for the same `again`."""
        raise NotImplementedError

    def again(self, frame: Frame) -> Parts | Later:
        """Serve a frame that asks for the same once more; None when it does not, or when anything else is otherwise."""
        raise NotImplementedError

    def as_future(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[Parts]:
        """For who awaits the response; to cancel it is to cancel this."""
        future: asyncio.Future[Parts] = loop.create_future()

        def take(parts: Parts) -> None:
            if not future.done():
                future.set_result(parts)
            self.cancel()

        self.taker = take
        future.add_done_callback(lambda done: self.cancel() if done.cancelled() else None)
        return future


_table: dict[int, Handler] = {}
_loading = threading.Lock()


def handles(
    api_key: ApiKey,
    *,
    versions: str,
    advertised_from: int | None = None,
    raw: bool = False,
    before_login: bool = False,
    cancellable: bool = False,
    failed: Failed | None = None,
) -> Callable[[F], F]:
    """Enter the decorated function into the table.

    Parameters: `versions`, "first-last", all of them served. `raw`: the function gets the frame instead of a
    decoded request, and returns the response's bytes (or Pipelined, or Later). `advertised_from`: a lower version for
    ApiVersions than is served. `before_login`: served to clients that have not authenticated. `cancellable`:
    nobody wants the answer when the client is gone, so its coroutine or future is cancelled; others are carried
    through. `failed(call, request, code)`: the response for an error of the whole request; without it a
    LogflumeError that leaves the handler closes the connection.
    """
    lowest, _, highest = versions.partition("-")

    def enter(function: F) -> F:
        if api_key in _table:
            raise ValueError(f"{api_key.name} has a handler already")
        _table[api_key] = Handler(
            api_key,
            int(lowest),
            int(highest or lowest),
            function,
            int(lowest) if advertised_from is None else advertised_from,
            raw,
            before_login,
            cancellable,
            failed,
        )
        return function

    return enter


def table() -> dict[int, Handler]:
    """All handlers by API key, their modules imported. Thread-safe."""
    from logflume.broker import handlers

    with _loading:
        handlers.load()
    return _table
