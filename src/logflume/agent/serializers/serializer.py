"""What a serializer does."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from logflume.agent.events import EventBatch
    from logflume.agent.options import ComponentConfig

__all__ = ["Serializer"]


class Serializer:
    """Turns batches into a file's bytes. Not thread-safe: each sink has its own."""

    Config: ClassVar[type[ComponentConfig]]

    def __init__(self, config: Any) -> None:
        self.config = config

    def head(self) -> bytes:
        """What a new file begins with."""
        return b""

    def encode(self, batch: EventBatch) -> bytes | memoryview:
        """The events' bytes; whole records, so that a file may end behind any batch."""
        raise NotImplementedError
