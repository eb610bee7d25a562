"""Who may connect to an Avro source: Flume's `ipFilterRules`."""

from __future__ import annotations

import fnmatch
import socket

from logflume.errors import InvalidConfig
from logflume.types import NamedTuple

__all__ = ["IpRules"]


class _Rule(NamedTuple):
    allow: bool
    by_name: bool
    pattern: str


class IpRules:
    """`allow:ip:127.*,deny:name:*`: the first rule that matches decides; who matches none is let in, as in Flume.

    Raises InvalidConfig for text that is no such list. Thread-safe.
    """

    def __init__(self, text: str) -> None:
        self._rules = [_rule(text, word.strip()) for word in text.split(",") if word.strip()]
        if not self._rules:
            raise InvalidConfig(
                name="ipFilterRules", value=text, reason="must be given with ipFilter = true"
            )

    def __call__(self, address: str) -> bool:
        """Whether a client of this address may connect. Rules with names look its name up."""
        names: list[str] | None = None
        for rule in self._rules:
            if rule.by_name and names is None:
                names = _names(address)
            asked = (names or []) if rule.by_name else [address]
            if any(fnmatch.fnmatchcase(one.lower(), rule.pattern) for one in asked):
                return rule.allow
        return True


def _rule(text: str, word: str) -> _Rule:
    parts = word.split(":", 2)
    if (
        len(parts) != 3
        or parts[0] not in ("allow", "deny")
        or parts[1] not in ("ip", "name")
        or not parts[2]
    ):
        raise InvalidConfig(
            name="ipFilterRules",
            value=text,
            reason=f"{word!r} is not allow or deny, ip or name, and a pattern, with colons between them",
        )
    return _Rule(parts[0] == "allow", parts[1] == "name", parts[2].lower())


def _names(address: str) -> list[str]:
    try:
        name, others, _ = socket.gethostbyaddr(address)
    except OSError:
        return []
    return [name, *others]
