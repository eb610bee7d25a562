"""Positions of a source whose channels are all in memory: nowhere to keep them with the events."""

from __future__ import annotations

__all__ = ["NoPositions"]


class NoPositions:
    """Has none. Sources that keep a file of their own (taildir's positionFile) go on from there."""

    def load(self) -> dict[str, str]:
        """Nothing."""
        return {}
