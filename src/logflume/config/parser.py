"""From names and values to a typed config object, with errors that name the nearest."""

from __future__ import annotations

from logflume.config.kinds import Secret
from logflume.config.option import dotted
from logflume.errors import InvalidConfig, UnknownConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, TypeVar

    from logflume.config.option import Config, Option

    C = TypeVar("C", bound=Config)

__all__ = ["nearest", "parse", "read", "update"]


def parse(
    table: type[C], values: Mapping[str, object], *, foreign: Mapping[str, str] | None = None
) -> C:
    """Parse options of a table, named as Kafka does or with underscores for dots.

    A value of None means the default. `foreign`, of a caller who is no directory: its own reasons for refusing
    options that are not in the table; what a directory refuses is then taken. Raises UnknownConfig for a name that
    is not in the table and InvalidConfig for a value that cannot be, or for two options that contradict.
    """
    refuse = foreign is None
    reasons = table.foreign if foreign is None else foreign
    parsed: dict[str, Any] = {}
    if not hasattr(values, "items"):
        raise TypeError(f"options are a mapping of names to values, not {values!r}")
    for given, value in values.items():
        item = _find(table, given, value, reasons)
        if item.name in parsed:
            raise InvalidConfig(name=given, value=value, reason="is given twice")
        if value is not None:
            parsed[item.name] = _value(item, given, value, refuse=refuse)
    config = table(parsed)
    config.check()
    return config


def read(table: type[Config], given: str, value: object) -> tuple[str, Any]:
    """One option of a directory's or broker's table: its dotted name and its value, None for the default.

    Raises as `parse` does, but for contradictions between options.
    """
    item = _find(table, given, value, table.foreign)
    return item.name, None if value is None else _value(item, given, value, refuse=True)


def update(config: C, changes: Mapping[str, object]) -> C:
    """The config with some options changed; a value of None sets one back to its default."""
    merged: dict[str, object] = config.explicit()
    changed = parse(type(config), changes)  # so that errors name what was given
    merged.update(changed.explicit())
    for given, value in changes.items():
        if value is None:
            merged.pop(_find(type(config), given, value, config.foreign).name, None)
    return parse(type(config), merged)


def _find(table: type[Config], given: str, value: object, foreign: Mapping[str, str]) -> Option:
    if not isinstance(given, str):
        raise InvalidConfig(name=str(given), value=given, reason="an option's name must be text")
    name = dotted(given)
    found = table.names.get(name)
    if found is not None:
        return found
    if name in foreign:
        secret = name.startswith(("sasl.", "ssl."))
        shown = "(not shown)" if secret else value
        raise InvalidConfig(name=given, value=shown, reason=foreign[name])
    hint = _elsewhere(name)
    suggestion = None if hint else nearest(name, table.names)
    raise UnknownConfig(name=given, table=table.table, hint=hint, suggestion=suggestion)


def _value(item: Option, given: str, value: object, *, refuse: bool) -> Any:
    try:
        parsed = item.kind.parse(value)
    except ValueError as error:
        suggestion = nearest(value, item.kind.choices) if isinstance(value, str) else None
        shown = "[hidden]" if isinstance(item.kind, Secret) else value
        raise InvalidConfig(
            name=given, value=shown, reason=str(error), suggestion=suggestion
        ) from None
    if refuse and item.refused is not None and parsed != item.default:
        raise InvalidConfig(name=given, value=value, reason=item.refused)
    return parsed


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Which of the words was probably meant, if any."""
    import difflib  # imported on errors only: it costs more than all of this package

    return next(iter(difflib.get_close_matches(word.lower(), list(words), n=1)), None)


def _elsewhere(name: str) -> str | None:
    """Says which other table has the option, if one does."""
    from logflume.config import TABLES

    tables = [table.table for table in TABLES if name in table.names]
    return f"it is an option of a {' and a '.join(tables)}" if tables else None
