from collections.abc import Iterable, Sequence
from typing import Any, Protocol, Self, TypeAlias, final, type_check_only

import numpy
from numpy.typing import ArrayLike, NDArray
from typing_extensions import Buffer

__all__ = ["ByteColumn", "Packed", "held_bytes", "last_only"]

@type_check_only
class _ArrowArray(Protocol):
    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[object, object]: ...

@type_check_only
class _ArrowStream(Protocol):
    def __arrow_c_stream__(self, requested_schema: Any = None) -> object: ...

# What append_many and send_many take as values or keys, as times, and as headers.
_Strings: TypeAlias = (
    Sequence[Buffer | None] | NDArray[Any] | _ArrowArray | _ArrowStream | Packed | ByteColumn
)
_Times: TypeAlias = Sequence[int | None] | NDArray[Any] | _ArrowArray | _ArrowStream
_Headers: TypeAlias = Iterable[tuple[str | bytes, Buffer | None]]

@final
class Packed:
    data: Buffer
    offsets: NDArray[numpy.int32 | numpy.int64]
    def __init__(self, data: Buffer, offsets: ArrayLike) -> None: ...
    @staticmethod
    def joined(parts: Iterable[Packed]) -> Packed: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: slice, /) -> Packed: ...

class ByteColumn:
    def __len__(self) -> int: ...
    def __getitem__(self, index: slice, /) -> Self: ...
    def tolist(self) -> list[bytes | None]: ...
    @property
    def nbytes(self) -> int: ...

def held_bytes(values: Iterable[bytes | None]) -> ByteColumn: ...
def last_only(count: int, value: bytes) -> ByteColumn: ...
