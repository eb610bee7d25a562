from typing import Any, final

from logflume._native.rdkafka_producer import ProducerHandle, RemoteTopic

__all__ = ["ManyRecords"]

@final
class ManyRecords:
    def __init__(
        self,
        handle: ProducerHandle,
        topic: RemoteTopic,
        partition: int,
        values: Any,
        keys: Any,
        timestamps: Any,
        headers: Any,
    ) -> None: ...
    def send(self) -> tuple[int, int]: ...
