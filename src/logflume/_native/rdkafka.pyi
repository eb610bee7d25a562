from collections.abc import Callable, Sequence
from typing import final

__all__ = ["Handle", "Librdkafka"]

@final
class Librdkafka:
    def __init__(self, path: str) -> None: ...
    @property
    def version(self) -> tuple[int, int, int]: ...
    def error_name(self, code: int) -> str: ...
    def error_text(self, code: int) -> str: ...
    def options(self) -> dict[str, str]: ...
    def check(self, settings: dict[str, str]) -> None: ...

_Made = tuple[
    Librdkafka,
    Callable[[int, str, bool, bool], Exception],
    Callable[[int, str, str], None],
    Callable[[int, str], None],
]
_Answer = tuple[str, int, int, int, str]

class Handle:
    closed: bool
    def offsets_for_times(
        self, places: Sequence[tuple[str, int, int]], timeout_ms: int
    ) -> list[_Answer]: ...
    def metadata(
        self, topic: str | None, timeout_ms: int
    ) -> dict[str, tuple[int, list[tuple[int, int, list[int], list[int]]]]]: ...
    def fatal(self) -> tuple[int, str] | None: ...
