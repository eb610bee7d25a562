"""One option, and the base of a table of them: the declaration is parser, documentation and lint."""

from __future__ import annotations

from logflume.errors import UnknownConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from logflume.config.kinds import Kind

__all__ = ["Config", "Option", "dotted", "option"]


class Option:
    """The declaration of one option, kept in its table's `options`.

    On a parsed config object the attribute gives the value, or the default.
    """

    __slots__ = (
        "also",
        "default",
        "doc",
        "keyword",
        "kind",
        "name",
        "no_effect",
        "origin",
        "refused",
    )

    def __init__(
        self,
        default: object,
        kind: Kind,
        *,
        doc: str,
        also: tuple[str, ...],
        origin: str,
        no_effect: str | None,
        refused: str | None,
    ) -> None:
        self.default = default
        self.kind = kind
        self.doc = doc
        self.also = also
        self.origin = origin
        self.no_effect = no_effect
        self.refused = refused
        self.keyword = ""
        self.name = ""

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.keyword = attribute
        self.name = dotted(attribute)

    def __get__(self, config: object, owner: type) -> Any:
        # Not a data descriptor: a value in the object's __dict__ comes first.
        return self if config is None else self.default


def option(
    default: object,
    kind: Kind,
    *,
    doc: str,
    also: tuple[str, ...] = (),
    origin: str = "Kafka",
    no_effect: str | None = None,
    refused: str | None = None,
) -> Any:
    """Declare an option in the body of a `Config`; the attribute's name gives its own.

    `also` are other names for it. `no_effect` says why logflume accepts it without acting on
    it, `refused` why it takes nothing but the default. `origin` is whose option it is.
    """
    return Option(
        default,
        kind,
        doc=doc,
        also=also,
        origin=origin,
        no_effect=no_effect,
        refused=refused,
    )


def dotted(name: str) -> str:
    """Kafka's form of an option's name: a keyword's underscores become dots."""
    return name.replace("_", ".")


class Config:
    """Parsed options of one table: read-only attributes, made by `parser.parse`.

    A subclass declares a table; its name is the class keyword `table`. None as a
    default means that there is no value unless one is given.
    """

    table: ClassVar[str]
    options: ClassVar[dict[str, Option]]
    """By dotted name, in the order of declaration."""
    names: ClassVar[dict[str, Option]]
    """By dotted name or other name."""
    foreign: ClassVar[dict[str, str]] = {}
    """Kafka's options that are refused here, each with the reason."""

    def __init_subclass__(cls, *, table: str) -> None:
        cls.table = table
        # Some tables take options from plain classes, which put those on one subject into one file.
        declared = [vars(base) for base in reversed(cls.__mro__)]
        found = [item for names in declared for item in names.values() if isinstance(item, Option)]
        cls.options = {item.name: item for item in found}
        others = {name: item for item in cls.options.values() for name in item.also}
        cls.names = {**cls.options, **others}

    def __init__(self, values: dict[str, Any]) -> None:
        """Keep parsed values by dotted name."""
        for name, value in values.items():
            self.__dict__[self.options[name].keyword] = value

    def check(self) -> None:
        """Hold options against each other; InvalidConfig where they contradict."""

    def get(self, name: str) -> Any:
        """The value of an option by any of its names; UnknownConfig when there is none."""
        found = self.names.get(dotted(name))
        if found is None:
            raise UnknownConfig(name=name, table=self.table)
        return getattr(self, found.keyword)

    def explicit(self) -> dict[str, Any]:
        """The values that were given, by dotted name."""
        return {
            name: self.__dict__[item.keyword]
            for name, item in self.options.items()
            if item.keyword in self.__dict__
        }

    def strings(self) -> dict[str, str]:
        """The values that were given, in Kafka's string form: what is stored and sent."""
        return {name: self.options[name].kind.format(v) for name, v in self.explicit().items()}

    def without_effect(self) -> dict[str, str]:
        """Options that were given and do nothing here, each with the reason."""
        given = ((name, self.options[name].no_effect) for name in self.explicit())
        return {name: reason for name, reason in given if reason is not None}

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is read-only; parse again to change {name!r}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # lists of values are compared, never hashed

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({shown})"
