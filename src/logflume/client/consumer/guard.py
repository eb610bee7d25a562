"""One thread at a time, as Kafka's consumer has it: a second one is told so instead of corrupting positions."""

from __future__ import annotations

import threading

from logflume.errors import ConcurrentAccess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Guard"]


class Guard:
    """Context manager around every call of a consumer. Re-entrant, for rebalance listeners that call back."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise ConcurrentAccess(what=self._what)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def wait(self, seconds: float) -> bool:
        """Wait for the other thread to leave, and enter; False when it does not."""
        return self._lock.acquire(timeout=seconds)

    def release(self) -> None:
        """Leave after wait()."""
        self._lock.release()
