"""Reading Kafka's small text files line by line, with errors that name path and line."""

from __future__ import annotations

from logflume.errors import CorruptRecord
from logflume.log.small_file import read_small

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["corrupt_line", "read_lines", "whole_number"]

_DIGITS_MAX = 19  # of a 64-bit number; int() is slow on very long ones


def read_lines(path: str) -> list[str] | None:
    """The lines of a text file; None when there is no such file.

    Raises CorruptRecord when it is not UTF-8.
    """
    data = read_small(path)
    if data is None:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        corrupt_line(path, data.count(b"\n", 0, error.start) + 1, "is not text")
    # Not splitlines(): that also splits at characters which are no line ends to Kafka.
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def corrupt_line(path: str, line: int, reason: str) -> NoReturn:
    """Raise CorruptRecord for a line, counted from 1."""
    raise CorruptRecord(path=path, position=line, reason=f"line {line} {reason}")


def whole_number(text: str, *, maximum: int) -> int | None:
    """A number from 0 to `maximum` in decimal digits; None for anything else."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX):
        return None
    number = int(text)
    return number if number <= maximum else None
