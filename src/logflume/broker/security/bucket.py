"""A token bucket that may be overdrawn: what goes beyond is paid for by waiting."""

from __future__ import annotations

__all__ = ["Bucket"]


class Bucket:
    """Holds at most `size`, filled with `rate` a second, full at first. Time (in seconds) is an argument."""

    __slots__ = ("_level", "_then", "rate", "size")

    def __init__(self, rate: float, size: float, now: float) -> None:
        self.rate = rate
        self.size = size
        self._level = size
        self._then = now

    def take(self, amount: float, now: float) -> float:
        """Take, whatever there is; the seconds until what was taken too much is there again."""
        self._level = min(self.size, self._level + (now - self._then) * self.rate) - amount
        self._then = now
        return max(0.0, -self._level / self.rate)

    def give(self, amount: float) -> None:
        """Put back what was not used after all."""
        self._level += amount

    def is_full(self, now: float) -> bool:
        """Whether nothing was taken that would not be there again."""
        return self._level + (now - self._then) * self.rate >= self.size

    @property
    def then(self) -> float:
        """When it was last used."""
        return self._then
