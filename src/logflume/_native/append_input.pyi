from typing import Any, final

__all__ = ["AppendInput"]

@final
class AppendInput:
    length: int
    def __init__(self, values: Any, keys: Any, timestamps: Any, headers: Any) -> None: ...
