"""Configuration files as flat properties: Java's format, TOML, and what is put in for `${...}`."""

from __future__ import annotations

import os
import re

from logflume.errors import InvalidConfig, MissingExtra, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

__all__ = ["read_files", "substitute"]

_REFERENCE = re.compile(r"\$\{([^${}]*)\}")
_DEPTH_MAX = 16
_SPOKEN_BY_OTHERS = (".command", ".replaceString")
"""Properties in which `${X}` may be meant for somebody else: a shell's variable, an expression's group."""
_NAMING = (
    "sources",
    "channels",
    "sinks",
    "sinkgroups",
    "configfilters",
    "interceptors",
    "filegroups",
    "serializers",
)
"""Properties that list names; in TOML a table of that name lists them by having them."""


def read_files(paths: Iterable[str | os.PathLike[str]]) -> dict[str, str]:
    """The properties of some files; later ones win. `.toml` is TOML, everything else Java properties.

    Raises StorageError for a file that cannot be read, InvalidConfig for one that is not of its format, MissingExtra.
    """
    merged: dict[str, str] = {}
    for path in paths:
        name = os.fspath(path)
        try:
            merged.update(_toml(name) if name.endswith(".toml") else _java(name))
        except OSError as error:
            raise StorageError(path=name, reason=error.strerror or str(error)) from error
    return merged


def _java(path: str) -> dict[str, str]:
    try:
        import javaproperties
    except ImportError as error:
        raise MissingExtra(what="a .properties file", extra="agent", reason=str(error)) from error
    try:
        # Flume reads what Java's Properties do: ISO-8859-1 with \uXXXX for the rest.
        with open(path, encoding="iso-8859-1", newline="") as file:
            return {key: value.strip() for key, value in javaproperties.load(file).items()}
    except javaproperties.InvalidUEscapeError as error:
        raise InvalidConfig(
            name=path, value=str(error), reason="is no Java properties file"
        ) from None


def _toml(path: str) -> dict[str, str]:
    import tomllib

    with open(path, "rb") as file:
        try:
            tree = tomllib.load(file)
        except tomllib.TOMLDecodeError as error:
            raise InvalidConfig(name=path, value=str(error), reason="is no TOML") from None
    flat: dict[str, str] = {}
    _flatten(tree, "", flat)
    return flat


def _flatten(value: Any, name: str, flat: dict[str, str]) -> None:
    if isinstance(value, dict):
        if name.rpartition(".")[2] in _NAMING:
            flat[name] = " ".join(value)
        for key, inner in value.items():
            _flatten(inner, f"{name}.{key}" if name else key, flat)
    elif isinstance(value, list):
        flat[name] = " ".join(_text(item) for item in value)
    else:
        flat[name] = _text(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def substitute(
    properties: Mapping[str, str],
    *,
    environment: Mapping[str, str],
    system: Mapping[str, str],
) -> tuple[dict[str, str], dict[str, str]]:
    """Put in what `${env:X}`, `${sys:X}` (of -D), `${X}` stand for: (properties, what is wrong by property).

    `${X}` is another property of the file, else the environment's X, as Flume's resolvers have it. One that nobody
    knows is wrong, but in a command or a replacement: there it stays as it is, as Flume leaves it.
    """
    done: dict[str, str] = {}
    wrong: dict[str, str] = {}
    for name, value in properties.items():
        try:
            done[name] = _resolve(
                value,
                properties,
                environment,
                system,
                0,
                strict=not name.endswith(_SPOKEN_BY_OTHERS),
            )
        except LookupError as error:
            done[name] = value
            wrong[name] = str(error.args[0])
    return done, wrong


def _resolve(
    value: str,
    properties: Mapping[str, str],
    environment: Mapping[str, str],
    system: Mapping[str, str],
    depth: int,
    *,
    strict: bool,
) -> str:
    if depth > _DEPTH_MAX:
        raise LookupError("its references go round in a circle")

    def found(match: re.Match[str]) -> str:
        name, _, default = match[1].partition(":-")
        kind, colon, rest = name.partition(":")
        if colon and kind == "env":
            answer = environment.get(rest)
        elif colon and kind == "sys":
            answer = system.get(rest)
        elif "[" in name:
            return match[0]  # a config filter's: `reading.filters` has these
        else:
            answer = properties.get(name, environment.get(name))
            if answer is not None:
                answer = _resolve(answer, properties, environment, system, depth + 1, strict=strict)
        if answer is None and ":-" in match[1]:
            answer = default
        if answer is None and not strict and not colon:
            return match[0]
        if answer is None:
            raise LookupError(f"nothing is known of ${{{match[1]}}}")
        return answer

    return _REFERENCE.sub(found, value)
