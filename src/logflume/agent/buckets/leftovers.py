"""Files that a failure, or an earlier process, left behind: each is cut back to what was settled, and renamed."""

from __future__ import annotations

import threading

from logflume.errors import LogflumeError, Timeout
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from logflume.agent.buckets.calls import Calls
    from logflume.agent.buckets.stores import FileSystems

__all__ = ["Left", "Leftovers", "close_quietly"]

_logger = get_logger(__name__)

_LOOK_AGAIN_S = 0.5


class Left:
    """A file under its name of the meantime, its final name, and how much of it is settled; 0: nothing is."""

    __slots__ = ("due", "final", "path", "size", "tries")

    def __init__(self, path: str, final: str, size: int) -> None:
        self.path = path
        self.final = final
        self.size = size
        self.tries = 0
        self.due = 0.0


class Leftovers:
    """What is still to be mended. One thread's.

    Parameters: where they lie; who calls; the seconds between two tries of one that fails, how many tries it gets
    (0: any number); what is told of each failure; the clock.
    """

    def __init__(
        self,
        systems: FileSystems,
        calls: Calls,
        retry_s: float,
        tries_max: int,
        failed: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._systems = systems
        self._calls = calls
        self._retry_s = retry_s
        self._tries_max = tries_max
        self._failed = failed
        self._clock = clock
        self._hangs = False
        self.files: list[Left] = []

    def mend(self) -> None:
        """Try those that are due. Raises nothing: what fails is tried again."""
        now = self._clock()
        self._hangs = False
        self.files = [one for one in self.files if one.due > now or not self._mended(one, now)]

    def _mended(self, one: Left, now: float) -> bool:
        """Done with it, for good or bad."""
        if self._hangs:  # one call that did not return is enough of waiting
            return False
        try:
            done = self._calls.run(lambda: self._mend(one))
        except LogflumeError as error:
            self._failed()
            self._hangs = isinstance(error, Timeout)
            one.tries += 1
            one.due = now + self._retry_s
            if self._tries_max and one.tries >= self._tries_max:
                _logger.error("file_given_up", path=one.path, tries=one.tries, error=error)
                return True
            _logger.warning(
                "file_not_renamed", path=one.path, error=error, again_in_s=self._retry_s
            )
            return False
        one.due = now + _LOOK_AGAIN_S
        return done

    def _mend(self, one: Left) -> bool:
        store = self._systems.of(one.path)
        if not one.size:
            store.remove(one.path)
            return True
        if not store.cut(one.path, one.size):
            return False
        if one.path != one.final:
            # Not there any more: it had its final name before the failure.
            store.publish(one.path, one.final)
        return True


def close_quietly(closes: list[Callable[[], None]]) -> None:
    """Let go of writers that failed, in a thread of its own: nobody waits for them, or wants to know how they end."""

    def work() -> None:
        for close in closes:
            try:
                close()
            except BaseException as error:  # a panic of the library is no Exception
                _logger.debug("abandoned", error=error)

    if closes:
        threading.Thread(target=work, name="abandoned-files", daemon=True).start()
