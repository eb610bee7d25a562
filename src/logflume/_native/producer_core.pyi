from collections.abc import Callable, Iterable
from typing import Any, final

from logflume._native.accumulator import Upkeep
from logflume._native.delivery import Delivery
from logflume._native.partition import Partition

__all__ = ["ProducerCore"]

@final
class ProducerCore(Upkeep):
    transactions: Any
    def __init__(
        self,
        open_topic: Callable[[object], tuple[list[Partition], int, int, int, int, object]],
        wake: Callable[[], None],
        sync_together: Callable[[list[Partition]], None],
        *,
        acks: int,
        linger: float,
        batch_size: int,
        max_request_size: int,
        partitioner: str,
        claim_id: Callable[[], int] | None = None,
        transactional_id: str | None = None,
    ) -> None: ...
    def send(
        self,
        topic: str,
        value: Any,
        key: Any = None,
        headers: Iterable[tuple[str, bytes | None]] | None = None,
        partition: int | None = None,
        timestamp: int | None = None,
    ) -> Delivery: ...
    def send_many(
        self,
        topic: str,
        values: Any,
        keys: Any = None,
        partition: int | None = None,
        timestamps: Any = None,
        headers: Any = None,
    ) -> int: ...
    def flush(self) -> None: ...
    def publish(self) -> None: ...
    def tick(self) -> float | None: ...
    def topics(self) -> list[tuple[str, int]]: ...
    def seen(self, topic: str) -> object: ...
    def forget(self, topic: str) -> None: ...
    def note_failure(self, error: Exception) -> None: ...
    def is_closed(self) -> bool: ...
    def close(self) -> None: ...
    def abandon(self) -> None: ...
