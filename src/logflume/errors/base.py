"""What all errors have in common: fields, a message composed from them, Kafka's code."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` is not imported at run time: it alone costs milliseconds.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, dataclass_transform
else:

    def dataclass_transform(**_options: object) -> object:
        """Stand in for typing's decorator, which does nothing at run time either."""
        return lambda cls: cls


__all__ = ["LogflumeError", "code_of"]

_CODES: dict[str, int] = {}


@dataclass_transform(kw_only_default=True, eq_default=False)
class LogflumeError(Exception):
    """Base of all errors of logflume.

    A subclass declares its fields as annotations (a value makes one optional) and
    a `template` that names them; a part of the template in square brackets is left
    out when a field in it is None.
    """

    code: ClassVar[int] = -1
    """Kafka's error code, or -1 where Kafka has none."""
    retriable: ClassVar[bool] = False
    """True when the same call may succeed later without any change by the caller."""
    template: ClassVar[str] = ""
    field_names: ClassVar[tuple[str, ...]] = ()
    """Names of all fields, inherited ones first."""
    required: ClassVar[frozenset[str]] = frozenset()
    """The fields without a default."""

    def __init_subclass__(cls) -> None:
        own = [n for n, a in cls.__annotations__.items() if not str(a).startswith("ClassVar")]
        cls.field_names = tuple(dict.fromkeys([*cls.field_names, *own]))
        # A default is a class attribute; a field declared anew may gain or lose it.
        cls.required = cls.required.difference(own).union(n for n in own if n not in vars(cls))
        _CODES[cls.__name__] = cls.code

    if not TYPE_CHECKING:  # for the type checker the annotations make the signature

        def __init__(self, **fields: object) -> None:
            unknown = [name for name in fields if name not in self.field_names]
            missing = [name for name in self.required if name not in fields]
            if unknown or missing:
                raise TypeError(
                    f"{type(self).__name__} takes the fields {', '.join(self.field_names)};"
                    f" unknown: {unknown}, missing: {sorted(missing)}"
                )
            self.__dict__.update(fields)

    @property
    def fields(self) -> dict[str, Any]:
        """All fields by name, defaults included."""
        return {name: getattr(self, name) for name in self.field_names}

    def __str__(self) -> str:
        return _compose(self.template, self.fields)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.fields.items())
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> tuple[Callable[..., LogflumeError], tuple[Any, ...], dict[str, Any]]:
        # Exception's own way calls the class with `args`, and ours takes keywords only.
        return _rebuild, (type(self),), dict(self.__dict__)


def _rebuild(cls: type[LogflumeError]) -> LogflumeError:
    """Make an error without fields; pickle and copy then restore its attributes."""
    return cls.__new__(cls)


def _compose(template: str, fields: dict[str, Any]) -> str:
    """Fill the template; a bracketed part counts only if no field in it is None. `[[` and `]]` are brackets."""
    head, *optional = template.replace("[[", "\0").replace("]]", "\1").split("[")
    parts = [head]
    for piece in optional:
        inside, _, outside = piece.partition("]")
        if not any(value is None and f"{{{name}" in inside for name, value in fields.items()):
            parts.append(inside)
        parts.append(outside)
    filled = "".join(parts).replace("\0", "[").replace("\1", "]")
    return filled.format_map(fields)


def code_of(name: str) -> int:
    """Kafka's error code (or -1) of the error class with this name.

    Raises LookupError when there is no such class.
    """
    try:
        return _CODES[name]
    except KeyError:
        raise LookupError(f"logflume.errors has no class {name!r}") from None
