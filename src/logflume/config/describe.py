"""Tables of options as rows of text, for the reference page, `--help` and `describe` commands."""

from __future__ import annotations

from logflume.config.kinds import INT_MAX, LONG_MAX, Duration, Int, Size
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.config.kinds import Kind
    from logflume.config.option import Config, Option

__all__ = ["OptionDoc", "describe"]


class OptionDoc(NamedTuple):
    """One option in words: all fields are text as a reader should see it."""

    name: str
    keyword: str
    also: tuple[str, ...]
    kind: str
    default: str
    valid: str
    doc: str
    effect: str
    origin: str


def describe(table: type[Config]) -> list[OptionDoc]:
    """All options of a table, sorted by name; `effect` is empty for those that simply act."""
    return [_row(table.options[name]) for name in sorted(table.options)]


def _row(item: Option) -> OptionDoc:
    effect = ""
    if item.no_effect is not None:
        effect = f"No effect. {item.no_effect}"
    elif item.refused is not None:
        effect = f"Only the default is taken: {item.refused.rstrip('.')}."
    return OptionDoc(
        name=item.name,
        keyword=item.keyword,
        also=item.also,
        kind=item.kind.word,
        default=_default(item),
        valid=item.kind.valid(),
        doc=item.doc,
        effect=effect,
        origin=item.origin,
    )


def _default(item: Option) -> str:
    if item.default is None:
        return "none given"
    text = item.kind.format(item.default)
    hint = _in_units(item.kind, item.default)
    return f"{text} ({hint})" if hint else text


def _in_units(kind: Kind, value: object) -> str:
    """A round number in its largest unit ("7d", "64KiB"); empty when that says nothing more."""
    if not isinstance(kind, Int) or not isinstance(value, int):
        return ""
    if value in (INT_MAX, LONG_MAX):
        return "no limit"
    units: dict[str, int] = {}
    if isinstance(kind, Size):
        units = {unit: factor for unit, factor in kind.units.items() if unit.endswith("iB")}
    elif isinstance(kind, Duration):
        units = {unit: factor for unit, factor in kind.units.items() if unit != "ms"}
    for unit, factor in sorted(units.items(), key=lambda pair: -pair[1]):
        if value >= factor and value % factor == 0:
            return f"{value // factor}{unit}"
    return ""
