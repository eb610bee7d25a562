"""Java's regular expressions and replacements as Python's, where they differ."""

from __future__ import annotations

import re

from logflume.config.kinds import Kind

__all__ = [
    "Regex",
    "replacement",
    "to_python",
]

_POSIX = {
    "Alnum": "0-9A-Za-z",
    "Alpha": "A-Za-z",
    "ASCII": "\\x00-\\x7f",
    "Blank": " \\t",
    "Cntrl": "\\x00-\\x1f\\x7f",
    "Digit": "0-9",
    "Graph": "!-~",
    "Lower": "a-z",
    "Print": " -~",
    "Punct": "!-/:-@\\[-`{-~",
    "Space": " \\t\\n\\x0b\\f\\r",
    "Upper": "A-Z",
    "XDigit": "0-9A-Fa-f",
}
_CLASS = re.compile(r"\\p\{(?:Is)?(\w+)\}")
_NAMED = re.compile(r"\(\?<(?=[A-Za-z])")
_IN_REPLACEMENT = re.compile(r"\\(.)|\$\{(\w+)\}|\$(\d)|(\\)", re.DOTALL)


def to_python(text: str) -> str:
    r"""A Java expression for `re`: named groups, and `\p{Alpha}` and its like; the rest is the same."""
    text = _NAMED.sub("(?P<", text)

    def posix(match: re.Match[str]) -> str:
        inner = _POSIX.get(match[1])
        if inner is None:
            raise ValueError(f"the character class {match[0]} is not served")
        opened = text.rfind("[", 0, match.start()) > text.rfind("]", 0, match.start())
        return inner if opened else f"[{inner}]"

    return _CLASS.sub(posix, text)


class Regex(Kind):
    """A regular expression as Java has them; parsed to a compiled Python one."""

    __slots__ = ()
    word = "regular expression"

    def parse(self, value: object) -> re.Pattern[str]:
        if isinstance(value, re.Pattern):
            return value
        if not isinstance(value, str) or not value:
            raise ValueError("must be a regular expression")
        try:
            return re.compile(to_python(value))
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None

    def format(self, value: re.Pattern[str] | str) -> str:
        return value if isinstance(value, str) else value.pattern


def replacement(text: str) -> str:
    r"""Java's replacement text (`$1`, `${name}`, `\$`) as `re.sub` takes it."""

    def part(match: re.Match[str]) -> str:
        escaped, name, number, _ = match.groups()
        if escaped is not None:
            return "\\\\" if escaped == "\\" else escaped
        if name is not None or number is not None:
            return f"\\g<{name or number}>"
        return "\\\\"

    return _IN_REPLACEMENT.sub(part, text)
