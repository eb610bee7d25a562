"""Options from several places at once: a TOML file, the environment, the command line. The last one counts.

Each place is a `Source`: values by option name, and how to call the place in an error. `collect` holds every value
against its table, so that a mistake is named with the place where it stands, also when another place overrides it.
"""

from __future__ import annotations

from logflume.config.option import dotted
from logflume.config.parser import nearest, read
from logflume.errors import InvalidConfig, UnknownConfig
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, NamedTuple

    from logflume.config.option import Config

    Tables = Sequence[type[Config]]

__all__ = ["PREFIX", "Source", "Unknown", "collect", "from_environment", "from_toml"]

PREFIX = "LOGFLUME_"
# Variables that are nobody's option: other parts of logflume read them.
_OTHERS = frozenset(
    PREFIX + name
    for name in ("DEBUG", "FAILPOINT", "JOBS", "KAFKA_PEER", "SANITIZE", "SEED", "SOAK", "WERROR")
)


class Source(NamedTuple):
    """One place: values by name (dots or underscores); None sets an option back to its default."""

    values: Mapping[str, object]
    where: Callable[[str], str] | None = None
    """What an error about the option of that name says of the place."""


class Unknown(NamedTuple):
    """A variable with the prefix that is no option, and the nearest that would be one."""

    variable: str
    suggestion: str | None


def from_toml(path: str | os.PathLike[str], tables: Tables) -> Source:
    """Options from a TOML file: `num.partitions = 3`, `num_partitions = 3` or a table `[num]` mean the same.

    Raises InvalidConfig for a file that is no TOML, OSError when it cannot be read.
    """
    import os
    import tomllib

    shown = os.fspath(path)
    with open(path, "rb") as file:
        try:
            document = tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InvalidConfig(name=shown, value=str(error), reason="is no TOML") from None
    values: dict[str, object] = {}
    for name, value in _flat(document, "", tables):
        if name in values:
            raise InvalidConfig(name=name, value=value, reason="is given twice", where=shown)
        values[name] = value
    return Source(values, lambda _name: shown)


def _flat(table: Mapping[str, Any], prefix: str, tables: Tables) -> Iterator[tuple[str, object]]:
    """TOML takes the dots of a name for nested tables: they are put together again, down to an option's name."""
    for key, value in table.items():
        name = dotted(prefix + key)
        if isinstance(value, dict) and not any(name in one.names for one in tables):
            yield from _flat(value, f"{name}.", tables)
        else:
            yield name, value


def from_environment(
    environ: Mapping[str, str], tables: Tables, *, but: Iterable[str] = ()
) -> tuple[Source, list[Unknown]]:
    """Options from variables: `LOGFLUME_NUM_PARTITIONS=3` for num.partitions; an empty one means the default.

    Beside them, the variables with the prefix that are no option. They are no error, because some environments
    make such names by themselves (Kubernetes does, for a service called logflume). `but`: names not to look at.
    """
    options = {_variable(name): name for table in tables for name in table.names}
    left_out = _OTHERS.union(PREFIX + name for name in but)
    values: dict[str, object] = {}
    unknown = []
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable in left_out:
            continue
        if variable in options:
            values[options[variable]] = text or None
        else:
            meant = nearest(dotted(variable.removeprefix(PREFIX)), options.values())
            unknown.append(Unknown(variable, None if meant is None else _variable(meant)))
    return Source(values, _variable), unknown


def _variable(name: str) -> str:
    return PREFIX + name.replace(".", "_").replace("-", "_").upper()


def collect(tables: Tables, sources: Iterable[Source]) -> dict[str, dict[str, object]]:
    """Values by table and dotted name. Later sources override earlier ones, option by option.

    An option that several of the tables have belongs to the first of them. Raises UnknownConfig and InvalidConfig
    with the place in `where`.
    """
    out: dict[str, dict[str, object]] = {table.table: {} for table in tables}
    for source in sources:
        seen: set[str] = set()
        for given, value in source.values.items():
            try:
                table = _owner(tables, given)
                name, parsed = read(table, given, value)
                if name in seen:
                    raise InvalidConfig(name=given, value=value, reason="is given twice")
            except InvalidConfig as error:
                if source.where is not None:
                    error.where = source.where(given)
                raise
            seen.add(name)
            if value is None:
                out[table.table].pop(name, None)
            else:
                out[table.table][name] = parsed
    return out


def _owner(tables: Tables, given: str) -> type[Config]:
    """The table that has an option, or that says why it is refused."""
    name = dotted(given)
    for table in tables:
        if name in table.names:
            return table
    for table in tables:
        if name in table.foreign:
            return table
    names = [name for table in tables for name in table.names]
    raise UnknownConfig(name=given, suggestion=nearest(name, names))
