"""A batch without records: it stands for offsets of which no record is left."""

from __future__ import annotations

import struct

from logflume._native.hashing import crc32c

__all__ = ["filler_batch"]

# FORMAT.md, "Batch header": what the CRC covers, from attributes on.
_BODY = struct.Struct(">hiqqqhii")
_HEAD = struct.Struct(">qiibI")
_MAGIC = 2


def filler_batch(offset: int) -> bytes:
    """One that ends at `offset`, inclusive, and has none but that."""
    body = _BODY.pack(0, 0, -1, -1, -1, -1, -1, 0)
    size = _HEAD.size + len(body) - 12
    return _HEAD.pack(offset, size, 0, _MAGIC, crc32c(body)) + body
