"""Config filters: `${name['key']}` in a property is a secret that a filter gives."""

from __future__ import annotations

import os
import re
import shlex
import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["apply_filters"]

_USE = re.compile(r"\$\{(\w+)\[(?:'([^']*)'|\"([^\"]*)\"|([^\]'\"]*))\]\}")
_COMMAND_S = 30
_NO_HADOOP = (
    "Hadoop's credential store is a Java keystore (JCEKS) that only Java reads; use external, with a command that"
    " prints the secret, or env"
)


def apply_filters(own: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """An agent's properties with their secrets filled in: (properties, what is wrong by property).

    Filters are `configfilters.NAME.type`: `env` (the key is a variable's name), or `external` (`command` is run
    with the key as its last argument, and prints the secret). Flume's `hadoop` is refused: only Java reads its store.
    """
    filters: dict[str, Callable[[str], str]] = {}
    wrong: dict[str, str] = {}
    for name in own.get("configfilters", "").split():
        prefix = f"configfilters.{name}."
        kind = own.get(f"{prefix}type", "").lower()
        if kind in ("env", "org.apache.flume.configfilter.environmentvariableconfigfilter"):
            filters[name] = _environment
        elif kind in ("external", "org.apache.flume.configfilter.externalprocessconfigfilter"):
            command = own.get(f"{prefix}command")
            if command:
                filters[name] = _Command(command)
            else:
                wrong[f"{prefix}command"] = "must be given"
        elif kind in ("hadoop", "org.apache.flume.configfilter.hadoopcredentialstoreconfigfilter"):
            wrong[f"{prefix}type"] = _NO_HADOOP
            filters[name] = _unserved
        else:
            wrong[f"{prefix}type"] = f"{kind!r} is not served; env and external are"
    done = {}
    for name, value in own.items():
        try:
            done[name] = _USE.sub(lambda use: _filled(filters, use), value)
        except LookupError as error:
            done[name] = value
            wrong[name] = str(error.args[0])
    return done, wrong


def _filled(filters: Mapping[str, Callable[[str], str]], use: re.Match[str]) -> str:
    name, key = use[1], use[2] or use[3] or use[4] or ""
    if name not in filters:
        raise LookupError(f"there is no config filter {name!r}")
    return filters[name](key)


def _unserved(key: str) -> str:
    raise LookupError("its config filter is not served")


def _environment(key: str) -> str:
    value = os.environ.get(key)
    if value is None:
        raise LookupError(f"the environment has no {key}")
    return value


class _Command:
    """Runs a program for each key; no shell stands between."""

    def __init__(self, command: str) -> None:
        self._words = shlex.split(command)

    def __call__(self, key: str) -> str:
        try:
            done = subprocess.run(
                [*self._words, key], capture_output=True, text=True, timeout=_COMMAND_S, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            # Not the output: it may be the secret.
            raise LookupError(f"the filter's command failed ({type(error).__name__})") from None
        return done.stdout.strip()
