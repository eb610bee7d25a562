from typing import final

from logflume._native.frames import Frame
from logflume._native.partition_log import PartitionLog

__all__ = ["BUSY", "Admission", "ProduceRequest"]

BUSY: int

@final
class Admission:
    def __init__(
        self,
        max_message_bytes: int,
        *,
        before_max_ms: int,
        after_max_ms: int,
        max_decompressed_bytes: int,
        keys_required: bool,
        append_time: bool,
        codec: int,
        level: int,
    ) -> None: ...

@final
class ProduceRequest:
    def __init__(self, frame: Frame) -> None: ...
    def __len__(self) -> int: ...
    @property
    def transactional_id(self) -> str | None: ...
    @property
    def acks(self) -> int: ...
    @property
    def timeout_ms(self) -> int: ...
    def topic(self, i: int) -> str | bytes: ...
    def index(self, i: int) -> int: ...
    def refuse(self, i: int, code: int, message: str | None = None) -> None: ...
    def append(self, i: int, log: PartitionLog, admission: Admission, *, wait_s: float) -> int: ...
    def response(self) -> bytes: ...
