"""Lines of a file or pipe, many at a time."""

from __future__ import annotations

import os

from logflume.errors import RecordTooLarge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["line_chunks"]

CHUNK_BYTES = 4 << 20
LINE_BYTES_MAX = 1 << 28
"""A file without newlines is not read whole into memory."""


def line_chunks(
    descriptor: int, *, chunk_bytes: int = CHUNK_BYTES, strip_cr: bool = False
) -> Iterator[tuple[list[bytes], int]]:
    """(lines, bytes read for them) until the end. The last line needs no newline.

    A pipe's lines come as they arrive. Raises RecordTooLarge for a line over LINE_BYTES_MAX, OSError.
    """
    parts: list[bytes] = []  # of a line whose newline has not come
    held = 0
    while data := os.read(descriptor, chunk_bytes):
        size = len(data)
        if b"\n" not in data:
            parts.append(data)
            held += size
            if held > LINE_BYTES_MAX:
                raise RecordTooLarge(size=held, limit=LINE_BYTES_MAX, property="a line's length")
            yield [], size
            continue
        lines = (b"".join([*parts, data]) if parts else data).split(b"\n")
        last = lines.pop()
        parts = [last] if last else []
        held = len(last)
        yield _without_cr(lines) if strip_cr else lines, size
    if parts:
        lines = [b"".join(parts)]
        yield _without_cr(lines) if strip_cr else lines, 0


def _without_cr(lines: list[bytes]) -> list[bytes]:
    return [line.removesuffix(b"\r") for line in lines]
