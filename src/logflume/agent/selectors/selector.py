"""What a channel selector does."""

from __future__ import annotations

from logflume.agent.options import ComponentConfig
from logflume.errors import InvalidConfig
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar

    from logflume.agent.events import EventBatch

__all__ = ["Route", "Selector"]


class Route(NamedTuple):
    """Events for one channel. `required`: when it cannot take them, the source's whole batch fails."""

    channel: str
    batch: EventBatch
    required: bool


class Selector:
    """Shares out a source's batches over its channels. Thread-safe.

    Parameters: the parsed `selector.*` properties, and the names of the source's channels.
    """

    Config: ClassVar[type[ComponentConfig]]

    def __init__(self, config: Any, channels: Sequence[str]) -> None:
        self.config = config
        self.channels = tuple(channels)
        self.setup()

    def setup(self) -> None:
        """Check what parsing cannot. Raises InvalidConfig."""

    def routes(self, batch: EventBatch) -> list[Route]:
        """Where each part of the batch goes; at most one route a channel."""
        raise NotImplementedError

    def known(self, names: str, property: str) -> tuple[str, ...]:
        """Channel names out of a property's text. Raises InvalidConfig for one that the source does not have."""
        words = tuple(names.split())
        for word in words:
            if word not in self.channels:
                raise InvalidConfig(
                    name=property,
                    value=names,
                    reason=f"{word!r} is not among the source's channels ({' '.join(self.channels)})",
                )
        return words
