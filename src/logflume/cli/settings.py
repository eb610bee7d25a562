"""`--config name=value`, repeated, as a mapping."""

from __future__ import annotations

from logflume.cli.failures import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["parse_pairs", "parse_settings"]


def parse_pairs(texts: Sequence[str] | None, option: str) -> list[tuple[str, str]]:
    """`name=value` each. Raises Usage for one without `=`."""
    pairs = []
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Usage(f"{option} {text}: expected name=value")
        pairs.append((name, value))
    return pairs


def parse_settings(texts: Sequence[str] | None) -> dict[str, object]:
    """Settings by name; an empty value means the default. Raises Usage for a name given twice."""
    settings: dict[str, object] = {}
    for name, value in parse_pairs(texts, "--config"):
        if name in settings:
            raise Usage(f"--config {name} is given twice")
        settings[name] = value or None
    return settings
