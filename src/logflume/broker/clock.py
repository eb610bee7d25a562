"""The time, as an argument."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Clock(Protocol):
        """What the broker's services ask for the time."""

        def ms(self) -> int:
            """Milliseconds since 1970."""

        def monotonic(self) -> float:
            """Seconds that never go back."""


__all__ = ["SystemClock"]


class SystemClock:
    """The machine's."""

    def ms(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()
