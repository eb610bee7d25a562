"""Users, ACLs and quotas of a directory: one file, `logflume-security.json`, replaced whole and synced.

Any process may change it; brokers see that within moments. Only its owner may read it: with the keys in it, passwords
can be guessed at leisure.
"""

from __future__ import annotations

import base64
import secrets

from logflume.broker.security.acl import Acl, Operation, Pattern, Permission, Resource
from logflume.broker.security.users import Credential
from logflume.log.layout import SECURITY_FILE
from logflume.log.shared_document import SharedDocument
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NamedTuple

    Entity = tuple[tuple[str, str | None], ...]

__all__ = ["SecurityState", "SecurityStore"]

_VERSION = 1


class SecurityState(NamedTuple):
    """All of it, immutable. A quota's entity is sorted pairs of kind and name, None for the default."""

    users: Mapping[str, Mapping[str, Credential]] = {}
    acls: frozenset[Acl] = frozenset()
    quotas: Mapping[Entity, Mapping[str, float]] = {}
    secret: bytes = b""
    """From it comes what is pretended to strangers (see `users.stand_in`)."""


class SecurityStore(SharedDocument[SecurityState]):
    """The file of one directory, by its path. Thread-safe.

    Raises CorruptRecord, UnsupportedFormat for a file that is not understood: nobody is let in by it.
    """

    def __init__(self, directory: str, *, lock_timeout_s: float = 30.0) -> None:
        super().__init__(
            directory,
            SECURITY_FILE,
            SecurityState(),
            version=_VERSION,
            mode=0o600,
            lock_timeout_s=lock_timeout_s,
        )

    def _load(self, document: Mapping[str, Any]) -> SecurityState:
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

    def _dump(self, state: SecurityState) -> dict[str, Any]:
        return {
            "users": {
                name: {
                    mechanism: _credential_document(one) for mechanism, one in sorted(kept.items())
                }
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
            "secret": base64.b64encode(state.secret or secrets.token_bytes(32)).decode(),
        }


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
