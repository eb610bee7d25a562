"""Whether configuration files became others."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ConfigWatch"]

_Seen = tuple[tuple[int, int, int] | None, ...]


class ConfigWatch:
    """Looks at files' times, sizes and inodes. A change counts when it is the same at two looks: then it is whole."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = list(paths)
        self._known = self._last = self._look()

    def _look(self) -> _Seen:
        return tuple(map(_state, self._paths))

    def changed(self) -> bool:
        """True once for each change."""
        before, self._last = self._last, self._look()
        if self._last == self._known or self._last != before:
            return False
        self._known = self._last
        return True


def _state(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
