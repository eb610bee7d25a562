"""Joda-Time's patterns (`yyyy-MM-dd HH:mm:ss`) as strptime's."""

from __future__ import annotations

__all__ = ["to_strptime"]

_LETTERS = {
    "y": "%Y",
    "Y": "%Y",
    "x": "%G",
    "w": "%V",
    "D": "%j",
    "d": "%d",
    "a": "%p",
    "h": "%I",
    "H": "%H",
    "m": "%M",
    "s": "%S",
    "S": "%f",
    "Z": "%z",
    "e": "%u",
}


def to_strptime(pattern: str) -> str:
    """The strptime format that reads what a Joda pattern reads. ValueError for a letter that has none."""
    out = []
    rest = pattern
    while rest:
        letter = rest[0]
        if letter == "'":
            quoted, found, rest = rest[1:].partition("'")
            if not found:
                raise ValueError("a quote is not closed")
            out.append((quoted or "'").replace("%", "%%"))
            continue
        run = len(rest) - len(rest.lstrip(letter))
        rest = rest[run:]
        if not letter.isalpha():
            out.append(letter.replace("%", "%%") * run)
        elif letter == "M":
            out.append("%m" if run <= 2 else "%b" if run == 3 else "%B")
        elif letter == "E":
            out.append("%a" if run <= 3 else "%A")
        elif letter in "yY" and run == 2:
            out.append("%y")
        elif letter in _LETTERS:
            out.append(_LETTERS[letter])
        else:
            raise ValueError(f"the letter {letter!r} is not served")
    return "".join(out)
