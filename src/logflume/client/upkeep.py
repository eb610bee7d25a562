"""Maintenance in the background, for those who ask for it."""

from __future__ import annotations

import threading

from logflume.errors import Closed, InvalidConfig, LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.client.log import Log

__all__ = ["Upkeep"]


class Upkeep:
    """A thread that calls `log.maintenance()` every so often until it is stopped or the log is closed.

    What goes wrong is logged as `maintenance_failed` and tried again the next time. A forked child has no such
    thread until it starts one.
    """

    def __init__(self, log: Log, interval_s: float) -> None:
        if not interval_s > 0:
            raise InvalidConfig(name="interval_s", value=interval_s, reason="must be more than 0")
        self._log = log
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="logflume-upkeep", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """False once it was stopped."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                self._log.maintenance()
            except Closed:
                if self._log.closed:
                    return
            except LogflumeError as error:
                from logflume.observe import get_logger

                get_logger(__name__).error("maintenance_failed", path=self._log.path, error=error)

    def ask_to_stop(self) -> None:
        """Return at once; a run under way ends when its partition is closed, or by itself."""
        self._stop.set()

    def stop(self) -> None:
        """End the thread, after the run that is under way. Idempotent."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join()
