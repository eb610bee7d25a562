from typing_extensions import Buffer

from logflume._native.input_columns import Packed

__all__ = ["decode_events"]

def decode_events(
    data: Buffer, start: int = 0
) -> tuple[Packed, dict[str, str], dict[str, list[str | None]]]: ...
