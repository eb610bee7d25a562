"""Users, ACLs and quotas of a directory: one file, `logflume-security.json`, replaced whole and synced.

Any process may change it; brokers see that within moments. Only its owner may read it: with the keys in it, passwords
can be guessed at leisure.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from time import monotonic

from logflume.broker.security.acl import Acl, Operation, Pattern, Permission, Resource
from logflume.broker.security.users import Credential
from logflume.errors import CorruptRecord, UnsupportedFormat
from logflume.log.layout import SECURITY_FILE
from logflume.log.locks import DirectoryLock
from logflume.log.small_file import is_settled, read_small, write_atomic
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NamedTuple

    Entity = tuple[tuple[str, str | None], ...]

__all__ = ["SecurityState", "SecurityStore"]

_VERSION = 1
_RECENT_S = 0.05


class SecurityState(NamedTuple):
    """All of it, immutable. A quota's entity is sorted pairs of kind and name, None for the default."""

    users: Mapping[str, Mapping[str, Credential]] = {}
    acls: frozenset[Acl] = frozenset()
    quotas: Mapping[Entity, Mapping[str, float]] = {}
    secret: bytes = b""
    """From it comes what is pretended to strangers (see `users.stand_in`)."""


class SecurityStore:
    """The file of one directory, by its path. Thread-safe.

    Raises CorruptRecord, UnsupportedFormat for a file that is not understood: nobody is let in by it.
    """

    def __init__(self, directory: str, *, lock_timeout_s: float = 30.0) -> None:
        self._directory = directory
        self._lock_timeout_s = lock_timeout_s
        self._path = os.path.join(directory, SECURITY_FILE)
        self._stamp: tuple[int, int, int] | None = None
        self._state = SecurityState()
        self._looked = -1.0

    def current(self) -> SecurityState:
        """The state, which is looked at twenty times a second at most."""
        now = monotonic()
        if now - self._looked > _RECENT_S:
            self._refresh()
            self._looked = now
        return self._state

    def change(self, function: Callable[[SecurityState], SecurityState]) -> SecurityState:
        """Replace the state by what `function` makes of it, on disk when this returns; off the event loop.

        Raises LockTimeout, ReadOnlyDirectory, DiskFull, SyncFailed.
        """
        # A descriptor of its own, so that the threads of this process exclude each other too.
        lock = DirectoryLock(self._directory, timeout_s=self._lock_timeout_s)
        try:
            with lock.changing():
                self._refresh()
                state = function(self._state)
                if not state.secret:
                    state = state._replace(secret=secrets.token_bytes(32))
                write_atomic(self._path, _dump(state), mode=0o600)
                self._refresh()
                return self._state
        finally:
            lock.close()

    def _refresh(self) -> None:
        try:
            info = os.stat(self._path)
        except FileNotFoundError:
            self._stamp, self._state = None, SecurityState()
            return
        stamp = (info.st_mtime_ns, info.st_ino, info.st_size)
        if stamp == self._stamp:
            return
        data = read_small(self._path)
        self._state = SecurityState() if data is None else self._parse(data)
        # Another change in the same tick of the files' clock could look like this one.
        self._stamp = stamp if is_settled(info.st_mtime_ns) else None

    def _parse(self, data: bytes) -> SecurityState:
        try:
            document = json.loads(data)
            version = document["version"]
            if isinstance(version, int) and version > _VERSION:
                raise UnsupportedFormat(
                    path=self._path,
                    reason=f"version {version}; this logflume knows up to {_VERSION}",
                )
            return SecurityState(
                users={
                    name: {mechanism: _credential(item) for mechanism, item in kept.items()}
                    for name, kept in document["users"].items()
                },
                acls=frozenset(_acl(item) for item in document["acls"]),
                quotas={
                    tuple(sorted(item["entity"].items())): {
                        key: float(value) for key, value in item["values"].items()
                    }
                    for item in document["quotas"]
                },
                secret=base64.b64decode(document["secret"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptRecord(
                path=self._path, position=0, reason=f"not a list of users and ACLs: {error}"
            ) from error


def _dump(state: SecurityState) -> bytes:
    document = {
        "version": _VERSION,
        "users": {
            name: {mechanism: _credential_document(one) for mechanism, one in sorted(kept.items())}
            for name, kept in sorted(state.users.items())
        },
        "acls": [
            {
                "resource": acl.resource.name,
                "name": acl.name,
                "pattern": acl.pattern.name,
                "principal": acl.principal,
                "host": acl.host,
                "operation": acl.operation.name,
                "permission": acl.permission.name,
            }
            for acl in sorted(state.acls)
        ],
        "quotas": [
            {"entity": dict(entity), "values": dict(values)}
            for entity, values in state.quotas.items()
        ],
        "secret": base64.b64encode(state.secret).decode(),
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _credential_document(one: Credential) -> dict[str, Any]:
    return {
        "salt": base64.b64encode(one.salt).decode(),
        "stored_key": base64.b64encode(one.stored_key).decode(),
        "server_key": base64.b64encode(one.server_key).decode(),
        "iterations": one.iterations,
    }


def _credential(item: Mapping[str, Any]) -> Credential:
    return Credential(
        base64.b64decode(item["salt"]),
        base64.b64decode(item["stored_key"]),
        base64.b64decode(item["server_key"]),
        int(item["iterations"]),
    )


def _acl(item: Mapping[str, str]) -> Acl:
    return Acl(
        Resource[item["resource"]],
        item["name"],
        Pattern[item["pattern"]],
        item["principal"],
        item["host"],
        Operation[item["operation"]],
        Permission[item["permission"]],
    )
