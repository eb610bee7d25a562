from typing import Any, final

__all__ = ["Scatter"]

@final
class Scatter:
    length: int
    def __init__(
        self, values: Any, keys: Any, timestamps: Any, headers: Any, partitioner: int, keyless: int
    ) -> None: ...
