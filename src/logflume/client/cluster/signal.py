"""News of a connection as a file descriptor, so that threads and event loops wait for it in their own way."""

from __future__ import annotations

import os
import select

__all__ = ["Signal"]


class Signal:
    """An eventfd: librdkafka adds to it when its queue gets something, wake() does from any thread."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def fileno(self) -> int:
        """For event loops."""
        return self._descriptor

    def wait(self, seconds: float) -> bool:
        """Sleep until there is news, `seconds` at most; may return early."""
        found = bool(self._poll.poll(max(0.0, min(seconds, 3600.0)) * 1000))
        self.clear()
        return found

    def clear(self) -> None:
        """What was told so far is known."""
        try:
            os.eventfd_read(self._descriptor)
        except BlockingIOError:
            pass

    def wake(self) -> None:
        """End a wait, or the next one."""
        if self._descriptor >= 0:
            os.eventfd_write(self._descriptor, 1)

    def close(self) -> None:
        """Free the descriptor. Idempotent; nobody may wait."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)
