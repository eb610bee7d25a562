from collections.abc import Sequence
from typing import Any, final

from logflume._native.rdkafka import Handle, _Made
from logflume._native.rdkafka_consumer import GroupPosition
from logflume._native.rdkafka_delivery import RemoteDelivery

__all__ = ["ProducerHandle", "RemoteTopic"]

@final
class RemoteTopic:
    name: str
    partitions: int
    looked: float

@final
class ProducerHandle(Handle):
    def __init__(
        self,
        settings: dict[str, str],
        made: _Made,
        *,
        partitioner: str = "murmur2",
        block_s: float = 60.0,
    ) -> None: ...
    def topic(self, name: str, partitions: int) -> RemoteTopic: ...
    def drop_topic(self, topic: RemoteTopic) -> None: ...
    def send(
        self,
        topic: RemoteTopic,
        value: Any,
        key: Any,
        headers: Any,
        partition: int,
        timestamp: int | None,
    ) -> RemoteDelivery: ...
    def serve(self, timeout_ms: int) -> int: ...
    def wait_for(self, delivery: RemoteDelivery, timeout: float | None) -> None: ...
    def forget_failure(self, error: Exception) -> None: ...
    def flush(self, timeout_ms: int) -> bool: ...
    def take_failure(self) -> Exception | None: ...
    @property
    def open_records(self) -> int: ...
    def init_transactions(self, timeout_ms: int) -> None: ...
    def begin_transaction(self) -> None: ...
    def end_transaction(self, commit: bool, timeout_ms: int) -> None: ...
    def send_offsets(
        self, places: Sequence[tuple[str, int, int, str]], group: GroupPosition, timeout_ms: int
    ) -> None: ...
    def close(self) -> None: ...
