from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable
from typing import final

from logflume._native.partition_log import PartitionLog
from logflume._native.partition_reader import PartitionReader

__all__ = ["News", "NewsWait"]

@final
class NewsWait:
    loop: AbstractEventLoop
    tell: Callable[[], object]
    def __init__(
        self,
        loop: AbstractEventLoop,
        tell: Callable[[], object],
        readers: Iterable[PartitionReader | tuple[PartitionLog, int]],
    ) -> None: ...
    @property
    def armed(self) -> bool: ...

@final
class News:
    def arm(self, wait: NewsWait) -> None: ...
    def disarm(self, wait: NewsWait) -> None: ...
    def sleep(self, seconds: float) -> list[NewsWait]: ...
    @property
    def idle(self) -> bool: ...
