from typing import Final

from typing_extensions import Buffer

__all__ = ["CODECS", "MAX_SIZE_DEFAULT", "compress", "decompress"]

CODECS: Final[tuple[str, ...]]
MAX_SIZE_DEFAULT: Final[int]

def compress(codec: int, data: Buffer, level: int | None = None) -> bytes: ...
def decompress(codec: int, data: Buffer, *, max_size: int = ...) -> bytes: ...
