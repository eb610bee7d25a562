"""ACLs: what each API asks for, by a client that may do nothing, everything it needs, or all but one thing of that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

import logflume
from logflume.broker import ThreadedBroker
from logflume.broker.api_keys import ApiKey as Api
from logflume.broker.dispatch import table
from logflume.broker.security.acl import Acl, Operation, Pattern, Permission, Resource
from logflume.broker.security.store import SecurityStore
from logflume.broker.security.users import make_credential
from logflume.coordinator.group_configs import GroupConfigs
from support.acl_cases import ANY_ACL, CASES, FORBIDDEN, TOPIC, Case, Op
from support.acl_share_cases import SHARE_CASES
from support.logins import librdkafka, log_in
from support.wire import Wire

# What nobody is refused, but some are shown less of; tested one by one, or before the login.
OPEN = {
    Api.API_VERSIONS,
    Api.SASL_HANDSHAKE,
    Api.SASL_AUTHENTICATE,
    Api.DESCRIBE_CLUSTER,
    Api.LIST_GROUPS,
    Api.LIST_TRANSACTIONS,
}


@pytest.fixture
def rules(log: logflume.Log) -> SecurityStore:
    log.create_topic("t")
    with log.consumer("t", group="g") as consumer:
        consumer.poll(timeout=0)
        consumer.commit()
    store = SecurityStore(log.directory.path)
    users = {
        name: {"SCRAM-SHA-256": make_credential("SCRAM-SHA-256", "pw", iterations=4096)}
        for name in ("alice", "admin")
    }
    store.change(lambda state: state._replace(users=users))
    return store


@pytest.fixture
def guarded(log: logflume.Log, rules: SecurityStore) -> Iterator[ThreadedBroker]:
    with logflume.serve(
        log,
        "SASL_PLAINTEXT://127.0.0.1:0",
        sasl_enabled_mechanisms="PLAIN",
        acl_enable=True,
        super_users="User:admin; User:root",
    ) as running:
        yield running


def acl(resource: Resource, operation: Operation, **change: Any) -> Acl:
    names = {
        Resource.TOPIC: "*",
        Resource.GROUP: "g",
        Resource.CLUSTER: "kafka-cluster",
        Resource.TRANSACTIONAL_ID: "x",
    }
    rule = Acl(
        resource,
        names[resource],
        Pattern.LITERAL,
        "User:alice",
        "*",
        operation,
        Permission.ALLOW,
    )
    return rule._replace(**change)


def allow(store: SecurityStore, *acls: Acl) -> None:
    store.change(lambda state: state._replace(acls=frozenset(acls)))
    time.sleep(0.06)  # for so long a broker may believe what it knows


def codes(answer: Any) -> set[int]:
    """All error codes anywhere in an answer."""
    if isinstance(answer, tuple):
        return {code for item in answer for code in codes(item)}
    if not hasattr(answer, "__dataclass_fields__"):
        return set()
    found: set[int] = set()
    for name in answer.__dataclass_fields__:
        value = getattr(answer, name)
        if name.endswith("error_code"):
            found.add(int(value))
        else:
            found |= codes(value)
    return found


def test_every_api_is_looked_at() -> None:
    assert {case.api for case in [*CASES, *SHARE_CASES]} | OPEN == set(table())


def name_of(case: Case) -> str:
    return case.api.name


@pytest.mark.parametrize("case", [*CASES, *SHARE_CASES], ids=name_of)
def test_an_api_asks_for_what_kafka_asks_for(
    guarded: ThreadedBroker, rules: SecurityStore, case: Case
) -> None:
    with Wire(guarded.bootstrap) as wire:
        assert log_in(wire, "alice", "pw").error_code == 0
        refused = codes(wire.ask(case.api, case.version, **case.fields))
        assert refused - {0} == {case.code}
        needed = [acl(resource, operation) for resource, operation, _ in case.needs]
        for left_out, (_, _, code) in zip(needed, case.needs):
            allow(rules, *(one for one in needed if one != left_out))
            assert code in codes(wire.ask(case.api, case.version, **case.fields)), left_out
        allow(rules, *needed)
        assert not FORBIDDEN & codes(wire.ask(case.api, case.version, **case.fields))


@pytest.mark.parametrize("case", [*CASES, *SHARE_CASES], ids=name_of)
def test_super_users_may_do_everything(guarded: ThreadedBroker, case: Case) -> None:
    with Wire(guarded.bootstrap) as wire:
        assert log_in(wire, "admin", "pw").error_code == 0
        assert not FORBIDDEN & codes(wire.ask(case.api, case.version, **case.fields))


def test_members_of_share_groups_need_their_topics(
    guarded: ThreadedBroker, rules: SecurityStore, log: logflume.Log
) -> None:
    log.partition("t", 0).append(b"x")
    topic_id = log.directory.topic("t").topic_id
    GroupConfigs(log.directory.path).alter("s", {"share.auto.offset.reset": "earliest"})

    def fetch(wire: Wire, epoch: int, *acks: dict[str, Any]) -> Any:
        parts = [{"partition_index": 0, "acknowledgement_batches": list(acks)}]
        return wire.ask(
            Api.SHARE_FETCH,
            2,
            group_id="s",
            member_id="m",
            share_session_epoch=epoch,
            max_wait=0,
            min_bytes=1,
            max_bytes=1000,
            max_records=10,
            batch_size=10,
            topics=[{"topic_id": topic_id, "partitions": parts}],
            forgotten_topics_data=[],
        )

    accept = {"first_offset": 0, "last_offset": 0, "acknowledge_types": [1]}
    group = acl(Resource.GROUP, Op.READ, name="s")
    with Wire(guarded.bootstrap) as wire:
        assert log_in(wire, "alice", "pw").error_code == 0
        allow(rules, group)
        assert codes(fetch(wire, 0)) == {0, 29}
        allow(rules, group, acl(Resource.TOPIC, Op.READ))
        assert b"x" in bytes(fetch(wire, 1).responses[0].partitions[0].records)
        allow(rules, group)
        [part] = fetch(wire, 2, accept).responses[0].partitions
        assert (part.error_code, part.acknowledge_error_code) == (29, 29)
        for api, partitions in (
            (Api.ALTER_SHARE_GROUP_OFFSETS, [{"partition_index": 0, "start_offset": 0}]),
            (Api.DELETE_SHARE_GROUP_OFFSETS, None),
        ):
            named = {"topic_name": "t"} | ({"partitions": partitions} if partitions else {})
            allow(rules, group, acl(Resource.GROUP, Op.DELETE, name="s"))
            wire.ask(
                Api.SHARE_ACKNOWLEDGE,
                2,
                group_id="s",
                member_id="m",
                share_session_epoch=-1,
                topics=[],
            )
            assert 29 in codes(wire.ask(api, 0, group_id="s", topics=[named]))


def test_nothing_is_shown_of_what_may_not_be_described(
    guarded: ThreadedBroker, rules: SecurityStore, log: logflume.Log
) -> None:
    log.create_topic("secret")
    log.create_topic("open")
    with log.consumer("t", group="other") as consumer:
        consumer.poll(timeout=0)
        consumer.commit()
    allow(
        rules,
        acl(Resource.TOPIC, Op.DESCRIBE, name="op", pattern=Pattern.PREFIXED),
        acl(Resource.GROUP, Op.DESCRIBE),
    )
    topic_id = guarded.broker.topics.id_of("secret")
    with Wire(guarded.bootstrap) as wire:
        assert log_in(wire, "alice", "pw").error_code == 0
        everything = wire.ask(Api.METADATA, 12, topics=None, **_ask_operations())
        assert [t.name for t in everything.topics] == ["open"]
        by_id = wire.ask(
            Api.METADATA, 12, topics=[{"topic_id": topic_id, "name": None}], **_ask_operations()
        )
        assert [(t.name, t.error_code) for t in by_id.topics] == [(None, 100)]
        assert everything.topics[0].topic_authorized_operations == 1 << Op.DESCRIBE
        assert [g.group_id for g in wire.ask(Api.LIST_GROUPS, 0).groups] == ["g"]
        seen = wire.ask(Api.DESCRIBE_CLUSTER, 0, include_cluster_authorized_operations=True)
        assert seen.cluster_authorized_operations == 0
        gone = wire.ask(
            Api.DELETE_TOPICS, 6, topics=[{"name": None, "topic_id": topic_id}], timeout=1
        )
        assert [(r.name, r.error_code) for r in gone.responses] == [(None, 100)]
        allow(rules, acl(Resource.CLUSTER, Op.DESCRIBE), acl(Resource.CLUSTER, Op.ALTER))
        assert {g.group_id for g in wire.ask(Api.LIST_GROUPS, 0).groups} == {"g", "other"}
        seen = wire.ask(Api.DESCRIBE_CLUSTER, 0, include_cluster_authorized_operations=True)
        assert seen.cluster_authorized_operations == (1 << Op.DESCRIBE) | (1 << Op.ALTER)


def _ask_operations() -> dict[str, bool]:
    return {"allow_auto_topic_creation": False, "include_topic_authorized_operations": True}


def test_a_right_that_is_taken_away_is_gone_within_a_fetch_session(
    guarded: ThreadedBroker, rules: SecurityStore, log: logflume.Log
) -> None:
    log.partition("t", 0).append(b"x")
    allow(rules, acl(Resource.TOPIC, Op.READ))
    asked = {
        "replica_id": -1,
        "max_wait": 0,
        "min_bytes": 0,
        "max_bytes": 1000,
        "isolation_level": 0,
        "session_id": 0,
        "session_epoch": 0,
        "topics": [
            {
                "topic": "t",
                "partitions": [
                    {
                        "partition": 0,
                        "fetch_offset": 0,
                        "log_start_offset": -1,
                        "partition_max_bytes": 1000,
                    }
                ],
            }
        ],
        "forgotten_topics_data": [],
    }
    with Wire(guarded.bootstrap) as wire:
        assert log_in(wire, "alice", "pw").error_code == 0
        first = wire.ask(Api.FETCH, 7, **asked)
        assert first.responses[0].partitions[0].error_code == 0
        again = {**asked, "session_id": first.session_id, "topics": []}
        allow(rules)
        second = wire.ask(Api.FETCH, 7, **{**again, "session_epoch": 1})
        assert codes(second) == {0, TOPIC}
        allow(rules, acl(Resource.TOPIC, Op.READ))
        third = wire.ask(Api.FETCH, 7, **{**again, "session_epoch": 2})
        assert codes(third) == {0}


def test_admins_add_list_and_delete_rules(guarded: ThreadedBroker, rules: SecurityStore) -> None:
    login = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "admin",
        "sasl.password": "pw",
    }
    admin = AdminClient(librdkafka(guarded.bootstrap, **login))
    rule = AclBinding(
        ResourceType.TOPIC,
        "cl",
        ResourcePatternType.PREFIXED,
        "User:alice",
        "*",
        AclOperation.WRITE,
        AclPermissionType.ALLOW,
    )
    for one in admin.create_acls([rule]).values():
        one.result(60)
    everything = AclBindingFilter(
        ResourceType.ANY,
        None,
        ResourcePatternType.ANY,
        None,
        None,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    assert admin.describe_acls(everything).result(60) == [rule]
    (wrong,) = admin.create_acls(
        [
            AclBinding(
                ResourceType.TOPIC,
                "t",
                ResourcePatternType.LITERAL,
                "alice",
                "*",
                AclOperation.WRITE,
                AclPermissionType.ALLOW,
            )
        ]
    ).values()
    with pytest.raises(confluent_kafka.KafkaException):
        wrong.result(60)
    time.sleep(0.06)
    alice = confluent_kafka.Producer(
        librdkafka(guarded.bootstrap, **{**login, "sasl.username": "alice"})
    )
    errors: dict[str, Any] = {}
    for name in ("t", "t"):
        alice.produce(name, b"x", on_delivery=lambda error, m: errors.update({m.topic(): error}))
    assert alice.flush(60) == 0
    assert errors["t"].code() == confluent_kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED
    (deleted,) = admin.delete_acls([everything]).values()
    assert deleted.result(60) == [rule]
    assert admin.describe_acls(everything).result(60) == []
    assert rules.current().acls == frozenset()


def test_without_acls_they_cannot_be_asked_for(broker: ThreadedBroker) -> None:
    with Wire(broker.bootstrap) as wire:
        assert wire.ask(Api.DESCRIBE_ACLS, 1, **ANY_ACL).error_code == 54
        assert codes(wire.ask(Api.DELETE_ACLS, 1, filters=[ANY_ACL])) == {54}


def test_anonymous_clients_are_denied_too(log: logflume.Log, rules: SecurityStore) -> None:
    with (
        logflume.serve(log, acl_enable=True) as running,
        Wire(running.bootstrap) as wire,
    ):
        answer = wire.ask(Api.METADATA, 4, topics=[{"name": "t"}], allow_auto_topic_creation=False)
        assert codes(answer) == {TOPIC}
        anonymous = acl(Resource.TOPIC, Op.DESCRIBE, principal="User:ANONYMOUS", host="127.0.0.1")
        allow(rules, anonymous)
        answer = wire.ask(Api.METADATA, 4, topics=[{"name": "t"}], allow_auto_topic_creation=False)
        assert codes(answer) == {0}
        allow(rules, anonymous._replace(host="10.0.0.1"))
        answer = wire.ask(Api.METADATA, 4, topics=[{"name": "t"}], allow_auto_topic_creation=False)
        assert codes(answer) == {TOPIC}
