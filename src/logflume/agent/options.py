"""A component's properties, declared once: parser, documentation and lint, under Flume's own names.

As `logflume.config`, with what Flume's files need besides: names as Flume spells them (`batchSize`,
`max-line-length`), properties that must be given, and open families (`filegroups.NAME`, `kafka.producer.*`).
"""

from __future__ import annotations

from logflume.config import Config, Option, parse
from logflume.config.kinds import Kind
from logflume.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, ClassVar

__all__ = [
    "AnyText",
    "ComponentConfig",
    "Names",
    "Words",
    "family",
    "needed",
    "parse_component",
    "setting",
]


class _Setting(Option):
    """An option whose name is Flume's and not made of the attribute's."""

    __slots__ = ("given_name", "required")

    given_name: str
    required: bool

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.keyword = attribute
        self.name = self.given_name


class _Family:
    """Properties `prefix + anything`; on a parsed config the attribute is a dict of what follows the prefix."""

    __slots__ = ("doc", "keyword", "no_effect", "prefix", "required")

    def __init__(self, prefix: str, doc: str, *, required: bool, no_effect: str | None) -> None:
        self.prefix = prefix
        self.doc = doc
        self.required = required
        self.no_effect = no_effect
        self.keyword = ""

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.keyword = attribute

    def __get__(self, config: object, owner: type) -> Any:
        return self if config is None else {}


def setting(
    name: str,
    default: object,
    kind: Kind,
    *,
    doc: str,
    also: tuple[str, ...] = (),
    origin: str = "Flume",
    no_effect: str | None = None,
    refused: str | None = None,
) -> Any:
    """Declare a property in the body of a `ComponentConfig`, under Flume's name for it.

    `also`, `no_effect`, `refused`, `origin` are `config.option`'s.
    """
    made = _Setting(
        default, kind, doc=doc, also=also, origin=origin, no_effect=no_effect, refused=refused
    )
    made.given_name = name
    made.required = False
    return made


def needed(name: str, kind: Kind, *, doc: str, also: tuple[str, ...] = ()) -> Any:
    """Declare a property that must be given."""
    made = setting(name, None, kind, doc=doc, also=also)
    made.required = True
    return made


def family(prefix: str, *, doc: str, required: bool = False, no_effect: str | None = None) -> Any:
    """Declare the properties that begin with `prefix`: a dict of text, by what follows it.

    `no_effect` says why they are taken and do nothing.
    """
    return _Family(prefix, doc, required=required, no_effect=no_effect)


class ComponentConfig(Config, table="component"):
    """Base of the tables of a component's properties."""

    families: ClassVar[tuple[_Family, ...]] = ()

    def __init_subclass__(cls, *, table: str) -> None:
        # Unlike the engine's tables these build on each other: what all sinks to files share stands once.
        for base in reversed(cls.__mro__[1:]):
            for attribute, item in vars(base).items():
                if isinstance(item, Option | _Family) and attribute not in vars(cls):
                    setattr(cls, attribute, item)
        super().__init_subclass__(table=table)
        cls.families = tuple(item for item in vars(cls).values() if isinstance(item, _Family))

    def without_effect(self) -> dict[str, str]:
        """Properties that were given and do nothing here, each with the reason."""
        told = super().without_effect()
        for one in self.families:
            if one.no_effect is not None:
                told.update(
                    {one.prefix + name: one.no_effect for name in getattr(self, one.keyword)}
                )
        return told

    def check_component(self) -> None:
        """What no single property shows, families included. Raises InvalidConfig."""


def parse_component(table: type[ComponentConfig], given: Mapping[str, str]) -> Any:
    """A component's config from its properties, named as in the file.

    Raises UnknownConfig (with the nearest name), InvalidConfig for a value that cannot be, for two that
    contradict, and for one that is missing.
    """
    plain = dict(given)
    families: dict[str, dict[str, str]] = {}
    for one in table.families:
        mine = {n: v for n, v in given.items() if n.startswith(one.prefix) and n != one.prefix}
        # A property of its own (`filegroups`) is no member of the family it begins like.
        mine = {n: v for n, v in mine.items() if n not in table.names}
        for name in mine:
            plain.pop(name, None)
        families[one.keyword] = {n[len(one.prefix) :]: v for n, v in mine.items()}
        if one.required and not mine:
            raise InvalidConfig(name=f"{one.prefix}*", value=None, reason="must be given")
    for item in table.options.values():
        names = (item.name, *item.also)
        if getattr(item, "required", False) and not any(name in plain for name in names):
            raise InvalidConfig(name=item.name, value=None, reason="must be given")
    config = parse(table, plain)
    config.__dict__.update(families)
    config.check_component()
    return config


class AnyText(Kind):
    """Any text: also empty, also with tabs and newlines."""

    __slots__ = ()
    word = "text"

    def parse(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("must be text")
        return value


class Words(Kind):
    """Several words with blanks between them, or commas where told so."""

    __slots__ = ("separator",)
    word = "list"

    def __init__(self, separator: str | None = None) -> None:
        self.separator = separator

    def parse(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, str):
            raise ValueError("must be text")
        words = tuple(word.strip() for word in value.split(self.separator) if word.strip())
        if not words:
            raise ValueError("must name at least one")
        return words

    def format(self, value: tuple[str, ...]) -> str:
        return (self.separator or " ").join(value)


class Names(Words):
    """Several different words."""

    __slots__ = ()

    def parse(self, value: object) -> tuple[str, ...]:
        words = super().parse(value)
        if len(set(words)) < len(words):
            raise ValueError("must not name one twice")
        return words
