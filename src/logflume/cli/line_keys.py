"""The key of a line: what a regular expression finds in it, or a field of its JSON object."""

from __future__ import annotations

from logflume.cli.failures import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Keys = Callable[[list[bytes]], list[bytes | None]]

__all__ = ["keys_by_field", "keys_by_regex"]


def keys_by_regex(text: str) -> Keys:
    """The group named `key`, else the first group, else the whole match; None where nothing matches.

    Raises Usage for what is no regular expression.
    """
    import re

    try:
        pattern = re.compile(text.encode("utf-8", "surrogateescape"))
    except re.error as error:
        raise Usage(f"--key-regex {text}: {error}") from None
    group = "key" if "key" in pattern.groupindex else min(pattern.groups, 1)
    search = pattern.search

    def keys(lines: list[bytes]) -> list[bytes | None]:
        found = map(search, lines)
        return [None if match is None else match[group] for match in found]

    return keys


def keys_by_field(path: str) -> Keys:
    """A field of each line's JSON object, `a.b` for one inside another.

    Text is the key as it is, anything else in its JSON form; None where there is no such field, where it is null,
    and where the line is no JSON object.
    """
    import json

    if not path:
        raise Usage("--key-field needs a field's name")
    steps = path.split(".")
    # The scanner itself, which the type stubs leave out: json.loads takes more than twice as long a line.
    scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]

    def key(line: bytes) -> bytes | None:
        try:
            text = line.decode().strip()
            value, end = scan(text, 0)
        except (ValueError, StopIteration, RecursionError):
            return None
        if end != len(text):
            return None
        if isinstance(value, dict) and path in value:
            value = value[path]
        else:
            for step in steps:
                if not isinstance(value, dict):
                    return None
                value = value.get(step)
        if value is None:
            return None
        found = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        return found.encode("utf-8", "surrogatepass")

    return lambda lines: list(map(key, lines))
