"""Decisions over ACLs, against a slow twin; filters; what may be stored."""

from __future__ import annotations

import random

import pytest

from logflume.broker.security.acl import Acl, AclFilter, Operation, Pattern, Permission, Resource
from logflume.broker.security.authorizer import Authorizer
from logflume.broker.security.store import SecurityState
from logflume.config import BrokerConfig, parse
from logflume.errors import InvalidConfig

RULE = Acl(
    Resource.TOPIC,
    "clicks",
    Pattern.LITERAL,
    "User:alice",
    "*",
    Operation.READ,
    Permission.ALLOW,
)
TOPICS = ("a", "ab", "abc", "b")
NAMES = (*TOPICS, "*")
USERS = ("User:x", "User:y")
HOSTS = ("1.1.1.1", "2.2.2.2")
DONE = (
    Operation.READ,
    Operation.WRITE,
    Operation.DESCRIBE,
    Operation.ALTER_CONFIGS,
    Operation.DESCRIBE_CONFIGS,
)


def authorizer(*acls: Acl, **config: object) -> Authorizer:
    state = SecurityState(acls=frozenset(acls))
    return Authorizer(parse(BrokerConfig, config), lambda: state)


def reads(one: Authorizer, name: str, user: str = "User:alice", host: str = "1.2.3.4") -> bool:
    return one.allows(user, host, Operation.READ, Resource.TOPIC, name)


def test_what_no_rule_allows_is_denied() -> None:
    one = authorizer(RULE)
    assert reads(one, "clicks")
    assert not reads(one, "clicks", "User:bob")
    assert not reads(one, "clicks2")
    assert not one.allows("User:alice", "h", Operation.WRITE, Resource.TOPIC, "clicks")
    assert not one.allows("User:alice", "h", Operation.READ, Resource.GROUP, "clicks")


def test_who_may_read_may_describe() -> None:
    one = authorizer(RULE)
    assert one.allows("User:alice", "h", Operation.DESCRIBE, Resource.TOPIC, "clicks")
    assert one.operations("User:alice", "h", Resource.TOPIC, "clicks") == (
        1 << Operation.READ | 1 << Operation.DESCRIBE
    )


def test_a_denial_wins() -> None:
    deny = RULE._replace(permission=Permission.DENY, operation=Operation.ALL, host="6.6.6.6")
    one = authorizer(RULE, deny)
    assert reads(one, "clicks")
    assert not reads(one, "clicks", host="6.6.6.6")


def test_who_is_denied_reading_may_still_describe() -> None:
    deny = RULE._replace(permission=Permission.DENY)
    allow = RULE._replace(operation=Operation.ALL)
    one = authorizer(allow, deny)
    assert not reads(one, "clicks")
    assert one.allows("User:alice", "h", Operation.DESCRIBE, Resource.TOPIC, "clicks")


def test_super_users_are_bound_by_nothing() -> None:
    deny = RULE._replace(permission=Permission.DENY, principal="User:*")
    one = authorizer(deny, super_users="User:root;User:CN=admin,O=Example")
    assert reads(one, "clicks", "User:root")
    assert reads(one, "clicks", "User:CN=admin,O=Example")
    assert not reads(one, "clicks", "User:CN=admin")
    with pytest.raises(InvalidConfig, match="super"):
        authorizer(super_users="root")


def test_the_default_holds_for_what_no_rule_names() -> None:
    one = authorizer(RULE, allow_everyone_if_no_acl_found=True)
    assert reads(one, "other", "User:bob")
    assert not reads(one, "clicks", "User:bob")


def test_changed_rules_hold_at_once() -> None:
    state = SecurityState(acls=frozenset([RULE]))
    one = Authorizer(parse(BrokerConfig, {}), lambda: state)
    assert reads(one, "clicks")
    state = SecurityState()
    assert not reads(one, "clicks")


def twin(acls: list[Acl], user: str, host: str, operation: Operation, name: str) -> bool:
    """As the documentation of Kafka says it."""
    about = []
    for acl in acls:
        literal = acl.pattern is Pattern.LITERAL and (acl.name == name or acl.name == "*")
        prefixed = acl.pattern is Pattern.PREFIXED and name[: len(acl.name)] == acl.name
        if not literal and not prefixed:
            continue
        if acl.principal in (user, "User:*") and acl.host in (host, "*"):
            about.append(acl)
    for acl in about:
        if acl.permission is Permission.DENY and acl.operation in (operation, Operation.ALL):
            return False
    wanted = {operation, Operation.ALL}
    if operation is Operation.DESCRIBE:
        wanted |= {Operation.READ, Operation.WRITE, Operation.DELETE, Operation.ALTER}
    if operation is Operation.DESCRIBE_CONFIGS:
        wanted.add(Operation.ALTER_CONFIGS)
    return any(acl.permission is Permission.ALLOW and acl.operation in wanted for acl in about)


@pytest.mark.parametrize("seed", range(20))
def test_random_rules_are_decided_as_the_twin_does(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(50):
        acls = [
            Acl(
                Resource.TOPIC,
                rng.choice(NAMES),
                rng.choice((Pattern.LITERAL, Pattern.PREFIXED)),
                rng.choice((*USERS, "User:*")),
                rng.choice((*HOSTS, "*", "*")),
                rng.choice((*DONE, Operation.ALL)),
                rng.choice((Permission.ALLOW, Permission.ALLOW, Permission.DENY)),
            )
            for _ in range(rng.randint(1, 6))
        ]
        one = authorizer(*acls)
        for user in USERS:
            for host in HOSTS:
                for operation in DONE:
                    found = [
                        one.allows(user, host, operation, Resource.TOPIC, name) for name in TOPICS
                    ]
                    expected = [twin(acls, user, host, operation, name) for name in TOPICS]
                    assert found == expected, (acls, user, host, operation)
                    if any(expected):
                        assert one.allows_some(user, host, operation, Resource.TOPIC), acls


def test_nothing_is_allowed_somewhere_where_everything_is_denied() -> None:
    deny = RULE._replace(permission=Permission.DENY, name="*", operation=Operation.ALL)
    one = authorizer(RULE, deny)
    assert not one.allows_some("User:alice", "h", Operation.READ, Resource.TOPIC)
    assert not one.allows_some("User:bob", "h", Operation.READ, Resource.TOPIC)


ANY = AclFilter(Resource.ANY, None, Pattern.ANY, None, None, Operation.ANY, Permission.ANY)


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({}, True),
        ({"resource": Resource.GROUP}, False),
        ({"name": "clicks"}, True),
        ({"name": "click"}, False),
        ({"name": "clicks", "pattern": Pattern.MATCH}, True),
        ({"name": "clicks", "pattern": Pattern.PREFIXED}, False),
        ({"principal": "User:bob"}, False),
        ({"host": "1.1.1.1"}, False),
        ({"operation": Operation.READ}, True),
        ({"permission": Permission.DENY}, False),
    ],
)
def test_filters(change: dict[str, object], taken: bool) -> None:
    assert ANY._replace(**change).takes(RULE) is taken


def test_a_match_filter_finds_all_that_is_about_a_name() -> None:
    wanted = ANY._replace(name="clicks", pattern=Pattern.MATCH)
    assert wanted.takes(RULE._replace(name="cl", pattern=Pattern.PREFIXED))
    assert wanted.takes(RULE._replace(name="*"))
    assert not wanted.takes(RULE._replace(name="cl"))


@pytest.mark.parametrize(
    "change",
    [
        {"resource": Resource.ANY},
        {"pattern": Pattern.MATCH},
        {"operation": Operation.ANY},
        {"permission": Permission.ANY},
        {"name": ""},
        {"host": ""},
        {"principal": "alice"},
        {"principal": "User:"},
        {"resource": Resource.CLUSTER},
        {"operation": Operation.IDEMPOTENT_WRITE},
    ],
)
def test_rules_that_mean_nothing_are_not_stored(change: dict[str, object]) -> None:
    assert RULE.problem() is None
    assert RULE._replace(operation=Operation.ALL).problem() is None
    assert RULE._replace(**change).problem()
