from types import TracebackType
from typing import final

__all__ = ["Guard"]

@final
class Guard:
    def __init__(self, what: str) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def wait(self, seconds: float) -> bool: ...
    def release(self) -> None: ...
