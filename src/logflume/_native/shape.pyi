from typing import Any, final

from logflume._native.frames import Frame

__all__ = ["Shape"]

@final
class Shape:
    def __init__(self, flexible: bool, steps: list[tuple[str, Any]]) -> None: ...
    def fits(self, frame: Frame) -> bool: ...
