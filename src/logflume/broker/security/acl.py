"""ACLs as Kafka has them: who may (or may not) do what to which resource, from where."""

from __future__ import annotations

from enum import IntEnum

from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

__all__ = [
    "CLUSTER_NAME",
    "OPERATIONS_OF",
    "Acl",
    "AclFilter",
    "Operation",
    "Pattern",
    "Permission",
    "Resource",
]

CLUSTER_NAME = "kafka-cluster"
"""The one name that a resource of the kind CLUSTER has."""
WILDCARD = "*"


class Resource(IntEnum):
    """Kinds of resources, in Kafka's numbers; ANY in filters only."""

    ANY = 1
    TOPIC = 2
    GROUP = 3
    CLUSTER = 4
    TRANSACTIONAL_ID = 5
    DELEGATION_TOKEN = 6
    USER = 7


class Pattern(IntEnum):
    """How an ACL's name is meant; ANY and MATCH in filters only."""

    ANY = 1
    MATCH = 2
    LITERAL = 3
    PREFIXED = 4


class Operation(IntEnum):
    """What may be done; ANY in filters only."""

    ANY = 1
    ALL = 2
    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    CLUSTER_ACTION = 9
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11
    IDEMPOTENT_WRITE = 12
    CREATE_TOKENS = 13
    DESCRIBE_TOKENS = 14
    TWO_PHASE_COMMIT = 15


class Permission(IntEnum):
    """Yes or no; ANY in filters only."""

    ANY = 1
    DENY = 2
    ALLOW = 3


_O = Operation
OPERATIONS_OF: dict[Resource, frozenset[Operation]] = {
    Resource.TOPIC: frozenset(
        (_O.READ, _O.WRITE, _O.CREATE, _O.DELETE, _O.ALTER, _O.DESCRIBE, _O.DESCRIBE_CONFIGS, _O.ALTER_CONFIGS)
    ),
    Resource.GROUP: frozenset((_O.READ, _O.DELETE, _O.DESCRIBE, _O.DESCRIBE_CONFIGS, _O.ALTER_CONFIGS)),
    Resource.CLUSTER: frozenset(
        (_O.CREATE, _O.ALTER, _O.DESCRIBE, _O.CLUSTER_ACTION, _O.DESCRIBE_CONFIGS, _O.ALTER_CONFIGS,
         _O.IDEMPOTENT_WRITE)
    ),
    Resource.TRANSACTIONAL_ID: frozenset((_O.WRITE, _O.DESCRIBE, _O.TWO_PHASE_COMMIT)),
    Resource.DELEGATION_TOKEN: frozenset((_O.DESCRIBE,)),
    Resource.USER: frozenset((_O.CREATE_TOKENS, _O.DESCRIBE_TOKENS)),
}  # fmt: skip
"""What can be done to each kind of resource, ALL apart."""


class Acl(NamedTuple):
    """One rule. `principal` as "User:alice" or "User:*", `host` an address or "*"."""

    resource: Resource
    name: str
    pattern: Pattern
    principal: str
    host: str
    operation: Operation
    permission: Permission

    def covers(self, name: str) -> bool:
        """Whether it is about the resource of this name."""
        if self.pattern is Pattern.PREFIXED:
            return name.startswith(self.name)
        return self.name in (name, WILDCARD)

    def binds(self, principal: str, host: str) -> bool:
        """Whether it is about this client. `host` without the slash."""
        kind, _, _ = principal.partition(":")
        return self.principal in (principal, f"{kind}:{WILDCARD}") and self.host in (host, WILDCARD)

    def problem(self) -> str | None:
        """Why it cannot be stored, as Kafka's checks have it; None when it can."""
        if Resource.ANY in (self.resource,) or self.pattern in (Pattern.ANY, Pattern.MATCH):
            return "a rule names one kind of resource, literally or by prefix"
        if self.operation is Operation.ANY or self.permission is Permission.ANY:
            return "a rule names an operation, and allows or denies it"
        if not self.name or not self.host:
            return "a rule names a resource and a host (or *)"
        if self.resource is Resource.CLUSTER and self.name != CLUSTER_NAME:
            return f"the cluster is called {CLUSTER_NAME}"
        kind, colon, who = self.principal.partition(":")
        if not colon or not kind or not who:
            return f"{self.principal!r} is no principal: User:NAME"
        if self.operation not in (*OPERATIONS_OF[self.resource], Operation.ALL):
            return f"{self.operation.name} is nothing that is done to a {self.resource.name}"
        return None


class AclFilter(NamedTuple):
    """Which rules are meant; None and ANY stand for all."""

    resource: Resource
    name: str | None
    pattern: Pattern
    principal: str | None
    host: str | None
    operation: Operation
    permission: Permission

    def takes(self, acl: Acl) -> bool:
        """Whether a rule is among them."""
        return (
            self.resource in (Resource.ANY, acl.resource)
            and self._takes_name(acl)
            and self.principal in (None, acl.principal)
            and self.host in (None, acl.host)
            and self.operation in (Operation.ANY, acl.operation)
            and self.permission in (Permission.ANY, acl.permission)
        )

    def _takes_name(self, acl: Acl) -> bool:
        if self.pattern in (Pattern.LITERAL, Pattern.PREFIXED) and self.pattern is not acl.pattern:
            return False
        if self.name is None:
            return True
        if self.pattern is Pattern.MATCH:
            return acl.covers(self.name)
        return self.name == acl.name
