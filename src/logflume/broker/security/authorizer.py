"""May he? Decisions over ACLs, as Kafka's StandardAuthorizer takes them."""

from __future__ import annotations

from logflume.broker.security.acl import (
    OPERATIONS_OF,
    WILDCARD,
    Operation,
    Pattern,
    Permission,
    Resource,
)
from logflume.errors import InvalidConfig
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from logflume.broker.security.acl import Acl
    from logflume.broker.security.store import SecurityState
    from logflume.config import BrokerConfig

__all__ = ["Authorizer", "decide"]

_log = get_logger(__name__)
_DECISIONS_MAX = 20_000
# Who may do one of these may also describe.
_IMPLIED = {
    Operation.DESCRIBE: (Operation.READ, Operation.WRITE, Operation.DELETE, Operation.ALTER),
    Operation.DESCRIBE_CONFIGS: (Operation.ALTER_CONFIGS,),
}


class Authorizer:
    """Decides for one broker, and remembers until the ACLs change. Belongs to its event loop."""

    def __init__(self, config: BrokerConfig, look: Callable[[], SecurityState]) -> None:
        self._look = look
        self._default = config.allow_everyone_if_no_acl_found
        self._super = _super_users(config.super_users)
        self._acls: frozenset[Acl] | None = None
        self._by_kind: dict[Resource, list[Acl]] = {}
        self._decided: dict[tuple[str, str, Operation, Resource, str], bool] = {}

    def allows(
        self, principal: str, host: str, operation: Operation, resource: Resource, name: str
    ) -> bool:
        """Whether the client may do this. `host` without a slash."""
        if principal in self._super:
            return True
        acls = self._current(resource)
        key = (principal, host, operation, resource, name)
        found = self._decided.get(key)
        if found is None:
            if len(self._decided) >= _DECISIONS_MAX:
                self._decided.clear()
            about = [acl for acl in acls if acl.covers(name)]
            found = decide(about, principal, host, operation, default=self._default)
            self._decided[key] = found
            if not found:
                _log.debug(
                    "denied",
                    principal=principal,
                    host=host,
                    operation=operation.name,
                    resource=resource.name,
                    name=name,
                )
        return found

    def allows_some(
        self, principal: str, host: str, operation: Operation, resource: Resource
    ) -> bool:
        """Whether there may be a resource of the kind with which the client may do this."""
        if principal in self._super or self._default:
            return True
        mine = [acl for acl in self._current(resource) if acl.binds(principal, host)]
        denied = [acl for acl in mine if _denies(acl, operation)]
        return any(
            _allows(acl, operation) and not any(_shadows(deny, acl) for deny in denied)
            for acl in mine
        )

    def operations(self, principal: str, host: str, resource: Resource, name: str) -> int:
        """All that the client may do, as the bits that Metadata and its kin tell."""
        return sum(
            1 << operation
            for operation in OPERATIONS_OF[resource]
            if self.allows(principal, host, operation, resource, name)
        )

    def _current(self, resource: Resource) -> Iterable[Acl]:
        acls = self._look().acls
        if acls is not self._acls:
            self._acls = acls
            self._decided = {}
            self._by_kind = {kind: [a for a in acls if a.resource is kind] for kind in Resource}
        return self._by_kind[resource]


def decide(
    about: Iterable[Acl], principal: str, host: str, operation: Operation, *, default: bool
) -> bool:
    """By the rules about one resource: a denial wins; without any rule, for anybody, it is `default`."""
    acls = list(about)
    if not acls:
        return default
    mine = [acl for acl in acls if acl.binds(principal, host)]
    if any(_denies(acl, operation) for acl in mine):
        return False
    return any(_allows(acl, operation) for acl in mine)


def _denies(acl: Acl, operation: Operation) -> bool:
    return acl.permission is Permission.DENY and acl.operation in (Operation.ALL, operation)


def _allows(acl: Acl, operation: Operation) -> bool:
    return acl.permission is Permission.ALLOW and (
        acl.operation in (Operation.ALL, operation) or acl.operation in _IMPLIED.get(operation, ())
    )


def _shadows(deny: Acl, allow: Acl) -> bool:
    """Whether a denial leaves nothing of what is allowed."""
    everywhere = allow.pattern is Pattern.LITERAL and allow.name == WILDCARD
    if deny.pattern is Pattern.PREFIXED:
        return not everywhere and allow.name.startswith(deny.name)
    if deny.name == WILDCARD:
        return True
    return allow.pattern is Pattern.LITERAL and allow.name == deny.name


def _super_users(text: str | None) -> frozenset[str]:
    found = frozenset(item.strip() for item in (text or "").split(";") if item.strip())
    for principal in found:
        kind, colon, name = principal.partition(":")
        if not colon or not kind or not name:
            raise InvalidConfig(
                name="super.users", value=principal, reason="must be User:NAME, with semicolons"
            )
    return found
