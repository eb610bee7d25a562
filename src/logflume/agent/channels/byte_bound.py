"""How many bytes of bodies a channel keeps in memory: what the memory channels share."""

from __future__ import annotations

from logflume.agent.options import ComponentConfig, setting
from logflume.config.kinds import Int, Size

__all__ = ["ByteBoundConfig"]


class ByteBoundConfig(ComponentConfig, table="bytes in memory"):
    """Flume guide, "Memory Channel": byteCapacity."""

    byte_capacity: int | None = setting(
        "byteCapacity",
        None,
        Size(),
        doc="Bytes in memory at most; not given or 0: no bound but that of events (Flume: 80 % of its heap).",
    )
    byte_capacity_buffer_percentage: int = setting(
        "byteCapacityBufferPercentage",
        20,
        Int(max=100),
        doc="Part of it kept for headers; bodies may fill the rest.",
    )

    @property
    def bytes_max(self) -> int | None:
        """Bytes of bodies at most; None for no bound."""
        whole = self.byte_capacity or 0
        return whole * (100 - self.byte_capacity_buffer_percentage) // 100 or None
