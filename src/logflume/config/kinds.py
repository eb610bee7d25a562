"""Kinds of values an option can have: each reads Python values and Kafka's strings, and writes the latter.

A kind's `parse` raises ValueError with the reason; `logflume.config.parser` adds the
option's name. `re` and `datetime` stay unimported until a value needs them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = [
    "Acks",
    "Bool",
    "Choice",
    "Choices",
    "Duration",
    "Float",
    "INT_MAX",
    "Int",
    "Kind",
    "LONG_MAX",
    "OffsetReset",
    "Secret",
    "SharedReset",
    "Size",
    "Text",
    "by_duration_ms",
]

LONG_MAX = (1 << 63) - 1
INT_MAX = (1 << 31) - 1

_SIZE_UNITS = {
    "B": 1,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
}
_TIME_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Kind:
    """How one sort of value is read, written and described."""

    __slots__ = ()
    word = "value"
    """The kind's name in the documentation."""
    choices: Sequence[str] = ()
    """The words it knows, from which an error suggests the nearest."""

    def parse(self, value: object) -> Any:
        """The value in its Python type; ValueError says what is wrong with it."""
        raise NotImplementedError

    def format(self, value: Any) -> str:
        """Kafka's string for a value that `parse` returned."""
        return str(value)

    def valid(self) -> str:
        """What is allowed, for the documentation; empty when anything of the kind is."""
        return ""


class Bool(Kind):
    """True or false."""

    __slots__ = ()
    word = "boolean"
    choices = ("true", "false")

    def parse(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.strip().lower() in self.choices:
            return value.strip().lower() == "true"
        raise ValueError("must be true or false")

    def format(self, value: bool) -> str:
        return "true" if value else "false"


class Int(Kind):
    """A whole number from `min` to `max`, both inclusive; Kafka's int unless told otherwise."""

    __slots__ = ("max", "min")
    word = "int"
    units: Mapping[str, int] = {}
    """Suffixes and what they multiply by."""

    def __init__(self, *, min: int = 0, max: int = INT_MAX) -> None:
        self.min = min
        self.max = max

    def parse(self, value: object) -> int:
        number = self._number(value)
        if number < self.min:
            raise ValueError(f"must be {self.min} or more")
        if number > self.max:
            raise ValueError(f"must be at most {self.max}")
        return number

    def _number(self, value: object) -> int:
        if isinstance(value, str):
            return self._from_text(value.strip())
        # Integers of other libraries (numpy's) have __index__; a bool has it too, and is a mistake.
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise ValueError(f"must be a whole number{self._unit_hint()}")
        return int(value)

    def _from_text(self, text: str) -> int:
        digits = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        unit = text[len(digits) :]
        digits = digits.strip()
        factor = self.units.get(unit, 0) if unit else 1
        # int() takes more than Kafka does: "1_000", other scripts' digits.
        bare = digits[1:] if digits[:1] in ("-", "+") else digits
        if not factor or not (bare.isascii() and bare.isdecimal()):
            raise ValueError(f"must be a whole number{self._unit_hint()}")
        if len(bare) > 19:  # more than a 64-bit integer holds, and int() is slow on long ones
            raise ValueError(f"must be from {self.min} to {self.max}")
        return int(digits) * factor

    def _unit_hint(self) -> str:
        return f", bare or with one of the units {', '.join(self.units)}" if self.units else ""

    def valid(self) -> str:
        if self.max == LONG_MAX:
            return f"{self.min} or more"
        return f"{self.min} to {self.max}"


class Size(Int):
    """A number of bytes: 65536, "65536", "64KiB", "1GB"."""

    __slots__ = ()
    word = "bytes"
    units = _SIZE_UNITS


class Duration(Int):
    """Milliseconds: 5000, "5000", "5s", "7d", or a datetime.timedelta."""

    __slots__ = ()
    word = "milliseconds"
    units = _TIME_UNITS

    def __init__(self, *, min: int = 0, max: int = LONG_MAX) -> None:
        super().__init__(min=min, max=max)

    def _number(self, value: object) -> int:
        if hasattr(value, "total_seconds"):
            seconds: float = value.total_seconds()
            return round(seconds * 1000)
        return super()._number(value)


class Float(Kind):
    """A number from `min` to `max`."""

    __slots__ = ("max", "min")
    word = "number"

    def __init__(self, *, min: float, max: float) -> None:
        self.min = min
        self.max = max

    def parse(self, value: object) -> float:
        if isinstance(value, bool) or not (isinstance(value, str) or hasattr(value, "__float__")):
            raise ValueError("must be a number")
        try:
            number = float(value)
        except ValueError:
            raise ValueError("must be a number") from None
        if not self.min <= number <= self.max:  # not-a-number fails this too
            raise ValueError(f"must be {self.valid()}")
        return number

    def valid(self) -> str:
        return f"{self.min:g} to {self.max:g}"


class Text(Kind):
    """Any text that is not empty and has no control characters; at most `max_bytes` in UTF-8."""

    __slots__ = ("max_bytes",)
    word = "text"

    def __init__(self, *, max_bytes: int = 32767) -> None:
        # Kafka's protocol gives a string's length 15 bits.
        self.max_bytes = max_bytes

    def parse(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("must be text")
        if not value or not value.isprintable():
            raise ValueError("must be text without control characters, and not empty")
        if len(value.encode("utf-8", "surrogatepass")) > self.max_bytes:
            raise ValueError(f"must have at most {self.max_bytes} bytes")
        return value


class Secret(Text):
    """A text that is shown to nobody. Its value is a `str` that prints as "[hidden]"."""

    __slots__ = ()
    word = "password"

    def parse(self, value: object) -> str:
        return _Hidden(super().parse(value))

    def format(self, value: str) -> str:
        return repr(value)


class _Hidden(str):
    """Itself where it is used; `repr`, as in logs and in a config's own, tells nothing."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "[hidden]"


class Choice(Kind):
    """One of a few words; `also` maps other spellings (Kafka's class names) to them."""

    __slots__ = ("also", "choices")
    word = "choice"

    def __init__(self, *choices: str, also: Mapping[str, str] | None = None) -> None:
        self.choices = choices
        self.also = also or {}

    def parse(self, value: object) -> str:
        if isinstance(value, str):
            word = value.strip()
            word = self.also.get(word, word)
            if word in self.choices:
                return word
        raise ValueError(f"must be one of {self.valid()}")

    def valid(self) -> str:
        return ", ".join(self.choices)


class Choices(Choice):
    """Several of a few words, in order: a list, or text with commas."""

    __slots__ = ()
    word = "list"

    def parse(self, value: object) -> Any:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)) or not items:
            raise ValueError(f"must be a list of {self.valid()}")
        words = tuple(super(Choices, self).parse(item) for item in items)
        if len(set(words)) < len(words):
            raise ValueError("must not name one twice")
        return words

    def format(self, value: tuple[str, ...]) -> str:
        return ",".join(value)


class Acks(Kind):
    """Kafka's acks, as its number: 0, 1 or -1 for all."""

    __slots__ = ()
    word = "acks"
    choices = ("all", "leader")
    _numbers = {"0": 0, "1": 1, "-1": -1, "leader": 1, "all": -1}

    def parse(self, value: object) -> int:
        text = value.strip() if isinstance(value, str) else str(value)
        if text not in self._numbers:
            raise ValueError("must be 0, 1 or all")
        return self._numbers[text]

    def format(self, value: int) -> str:
        return "all" if value == -1 else str(value)

    def valid(self) -> str:
        return "0, 1 (leader), all (-1)"


class OffsetReset(Kind):
    """Where to start without a committed offset: a word, or `by_duration:` and an ISO 8601 duration."""

    __slots__ = ()
    word = "choice"
    choices: tuple[str, ...] = ("earliest", "latest", "none", "by_duration:PT1H")

    def parse(self, value: object) -> str:
        word = value.strip() if isinstance(value, str) else ""
        if word.startswith("by_duration:"):
            by_duration_ms(word)
        elif word not in self.choices:
            raise ValueError(f"must be one of {self.valid()}")
        return word

    def valid(self) -> str:
        return "earliest, latest, none, by_duration:PnDTnHnMn.nS"


class SharedReset(OffsetReset):
    """The same for share groups, which always begin somewhere."""

    __slots__ = ()
    choices = ("earliest", "latest", "by_duration:PT1H")

    def valid(self) -> str:
        return "earliest, latest, by_duration:PnDTnHnMn.nS"


def by_duration_ms(reset: str) -> int | None:
    """Milliseconds to go back from now for a `by_duration:` reset; None for the other resets.

    Raises ValueError when what follows the colon is no ISO 8601 duration.
    """
    word, colon, duration = reset.partition(":")
    if word != "by_duration" or not colon:
        return None
    import re

    pattern = (
        r"P(?:(\d{1,6})D)?(?:T(?:(\d{1,8})H)?(?:(\d{1,9})M)?(?:(\d{1,11})(?:\.(\d{1,9}))?S)?)?"
    )
    match = re.fullmatch(pattern, duration, re.ASCII)
    if match is None or not any(match.groups()) or duration.endswith("T"):
        raise ValueError("needs an ISO 8601 duration of days to seconds, like by_duration:PT1H30M")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[:4])
    milliseconds = int((match[5] or "").ljust(3, "0")[:3])
    return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + milliseconds
