"""Files' bytes as lines: what tails and spooled files have in common."""

from __future__ import annotations

__all__ = ["LINE_BYTES_MAX", "split_lines"]

LINE_BYTES_MAX = 1_000_000
"""A longer line is cut into several events: a channel's record may not be larger than a megabyte."""


def split_lines(data: bytes, *, last: bool = False) -> tuple[list[bytes], list[int]]:
    """Whole lines of `data` without their ends (newline, or carriage return and newline), and where each ends.

    The last, without a newline, counts only with `last`, or when it is longer than a line may be.
    Places are positions in `data` behind each line's end.
    """
    lines = data.split(b"\n")
    rest = lines.pop()
    ends, at = [], 0
    for line in lines:
        at += len(line) + 1
        ends.append(at)
    if rest and (last or len(rest) >= LINE_BYTES_MAX):
        lines.append(rest)
        ends.append(len(data))
    if b"\r\n" in data:
        lines = [line[:-1] if line.endswith(b"\r") else line for line in lines]
    if lines and max(map(len, lines)) > LINE_BYTES_MAX:
        return _cut_long(lines, ends)
    return lines, ends


def _cut_long(lines: list[bytes], ends: list[int]) -> tuple[list[bytes], list[int]]:
    """Long lines as several; a place is given to the last part only, so that a line is read again as a whole."""
    out: list[bytes] = []
    places: list[int] = []
    for line, end in zip(lines, ends, strict=True):
        parts = [line[i : i + LINE_BYTES_MAX] for i in range(0, len(line), LINE_BYTES_MAX)] or [b""]
        start = places[-1] if places else 0
        out += parts
        places += [start] * (len(parts) - 1) + [end]
    return out, places
