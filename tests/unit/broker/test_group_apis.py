"""Every version of every API about groups, over the wire: a member's life as a client of that age lives it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import logflume
from logflume.broker import ThreadedBroker, serve
from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import table
from logflume.coordinator.group_configs import GroupConfigs
from support.wire import Wire

GROUP = "g"
NONE, ILLEGAL_GENERATION, UNKNOWN_MEMBER = 0, 22, 25
UNKNOWN_TOPIC, METADATA_TOO_LARGE, INVALID_REQUEST, NON_EMPTY = 3, 12, 42, 68
GROUP_NOT_FOUND, MEMBER_ID_REQUIRED, SUBSCRIBED, UNKNOWN_TOPIC_ID = 69, 79, 86, 100

# A subscription to "t" and a first partition of it, as consumers write them.
SUBSCRIPTION = bytes.fromhex("0000 00000001 0001 74 ffffffff")
ASSIGNMENT = bytes.fromhex("0000 00000001 0001 74 00000001 00000000 ffffffff")


def versions(api: ApiKey) -> list[int]:
    handler = table()[api]
    return list(range(handler.lowest, handler.highest + 1))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logflume.Log]:
    with logflume.open(tmp_path) as opened:
        opened.create_topic("t", partitions=2)
        yield opened


@pytest.fixture
def broker(log: logflume.Log) -> Iterator[ThreadedBroker]:
    with serve(log) as running:
        yield running


@pytest.fixture
def wire(broker: ThreadedBroker) -> Iterator[Wire]:
    with Wire(broker.bootstrap) as client:
        yield client


def join(wire: Wire, version: int = 9, member_id: str = "", **fields):
    answer = wire.ask(
        ApiKey.JOIN_GROUP,
        version,
        group_id=GROUP,
        session_timeout=30_000,
        rebalance_timeout=60_000,
        member_id=member_id,
        protocol_type="consumer",
        protocols=[{"name": "range", "metadata": SUBSCRIPTION}],
        **fields,
    )
    if answer.error_code == MEMBER_ID_REQUIRED:
        return join(wire, version, answer.member_id, **fields)
    return answer


def sync(wire: Wire, member_id: str, generation: int, version: int = 5):
    return wire.ask(
        ApiKey.SYNC_GROUP,
        version,
        group_id=GROUP,
        generation_id=generation,
        member_id=member_id,
        protocol_type="consumer",
        protocol_name="range",
        assignments=[{"member_id": member_id, "assignment": ASSIGNMENT}],
    )


def stable(wire: Wire) -> tuple[str, int]:
    joined = join(wire)
    sync(wire, joined.member_id, joined.generation_id)
    return joined.member_id, joined.generation_id


def commit(wire: Wire, version: int, *partitions: dict, topic_id: str, name: str = "t", **who):
    who = {"member_id": "", "generation_id_or_member_epoch": -1} | who
    entry = {"committed_metadata": "note", "committed_leader_epoch": 5}
    topic = {"name": name, "topic_id": topic_id, "partitions": [entry | p for p in partitions]}
    answer = wire.ask(
        ApiKey.OFFSET_COMMIT, version, group_id=GROUP, topics=[topic], retention_time=-1, **who
    )
    return [p.error_code for p in answer.topics[0].partitions]


@pytest.fixture
def topic_id(log: logflume.Log) -> str:
    found = log.directory.topic("t").topic_id
    assert found is not None
    return found


@pytest.mark.parametrize("version", versions(ApiKey.JOIN_GROUP))
def test_join_group(wire: Wire, version: int) -> None:
    answer = join(wire, version)
    assert answer.error_code == NONE
    assert (answer.generation_id, answer.protocol_name) == (1, "range")
    assert answer.leader == answer.member_id
    assert answer.member_id.startswith("wire-")
    [member] = answer.members
    assert bytes(member.metadata) == SUBSCRIPTION
    if version >= 7:
        assert answer.protocol_type == "consumer"
    refused = join(wire, version, "made up")
    assert refused.error_code == UNKNOWN_MEMBER
    assert refused.protocol_name == (None if version >= 7 else "")


@pytest.mark.parametrize("version", versions(ApiKey.SYNC_GROUP))
def test_sync_group(wire: Wire, version: int) -> None:
    joined = join(wire)
    answer = sync(wire, joined.member_id, 1, version)
    assert (answer.error_code, bytes(answer.assignment)) == (NONE, ASSIGNMENT)
    assert sync(wire, joined.member_id, 7, version).error_code == ILLEGAL_GENERATION


@pytest.mark.parametrize("version", versions(ApiKey.HEARTBEAT))
def test_heartbeat(wire: Wire, version: int) -> None:
    member_id, generation = stable(wire)
    beat = {"group_id": GROUP, "member_id": member_id}
    answer = wire.ask(ApiKey.HEARTBEAT, version, generation_id=generation, **beat)
    assert answer.error_code == NONE
    answer = wire.ask(ApiKey.HEARTBEAT, version, generation_id=9, **beat)
    assert answer.error_code == ILLEGAL_GENERATION


@pytest.mark.parametrize("version", versions(ApiKey.LEAVE_GROUP))
def test_leave_group(wire: Wire, version: int) -> None:
    member_id, _ = stable(wire)
    leaving = {"members": [{"member_id": member_id}], "member_id": member_id}
    answer = wire.ask(ApiKey.LEAVE_GROUP, version, group_id=GROUP, **leaving)
    again = wire.ask(ApiKey.LEAVE_GROUP, version, group_id=GROUP, **leaving)
    if version < 3:
        assert (answer.error_code, again.error_code) == (NONE, UNKNOWN_MEMBER)
    else:
        assert [m.error_code for m in answer.members] == [NONE]
        assert [m.error_code for m in again.members] == [UNKNOWN_MEMBER]


@pytest.mark.parametrize("version", versions(ApiKey.OFFSET_COMMIT))
def test_offset_commit(wire: Wire, version: int, topic_id: str) -> None:
    places = [
        {"partition_index": 0, "committed_offset": 7},
        {"partition_index": 9, "committed_offset": 7},
        {"partition_index": 1, "committed_offset": -5},
        {"partition_index": 1, "committed_offset": 5, "committed_metadata": "x" * 5000},
    ]
    errors = commit(wire, version, *places, topic_id=topic_id)
    assert errors == [NONE, UNKNOWN_TOPIC, INVALID_REQUEST, METADATA_TOO_LARGE]
    nowhere = UNKNOWN_TOPIC_ID if version >= 10 else UNKNOWN_TOPIC
    unknown = {"topic_id": "A" * 21 + "Q", "name": "nowhere"}
    assert commit(wire, version, places[0], **unknown) == [nowhere]
    member_id, generation = stable(wire)
    assert commit(wire, version, places[0], topic_id=topic_id) == [UNKNOWN_MEMBER]
    who = {"member_id": member_id, "generation_id_or_member_epoch": generation}
    assert commit(wire, version, places[0], topic_id=topic_id, **who) == [NONE]


@pytest.mark.parametrize("version", versions(ApiKey.OFFSET_FETCH))
def test_offset_fetch(wire: Wire, version: int, topic_id: str) -> None:
    commit(wire, 9, {"partition_index": 0, "committed_offset": 7}, topic_id=topic_id)
    asked = [{"name": "t", "topic_id": topic_id, "partition_indexes": [0, 1]}]

    def fetch(topics, group: str = GROUP):
        answer = wire.ask(
            ApiKey.OFFSET_FETCH,
            version,
            group_id=group,
            topics=topics,
            groups=[{"group_id": group, "topics": topics}],
        )
        return answer.groups[0] if version >= 8 else answer

    [topic] = fetch(asked).topics
    found = [(p.partition_index, p.committed_offset, p.metadata) for p in topic.partitions]
    assert found == [(0, 7, "note"), (1, -1, "")]
    if version >= 5:
        assert topic.partitions[0].committed_leader_epoch == 5
    if version >= 2:
        [topic] = fetch(None).topics
        assert [p.committed_offset for p in topic.partitions] == [7]
    if version >= 10:
        [topic] = fetch([{"topic_id": "A" * 21 + "Q", "partition_indexes": [0]}]).topics
        assert topic.partitions[0].error_code == UNKNOWN_TOPIC_ID
    refused = fetch(asked, group="")
    code = refused.topics[0].partitions[0].error_code if version < 2 else refused.error_code
    assert code == 24


@pytest.mark.parametrize("version", versions(ApiKey.FIND_COORDINATOR))
def test_find_coordinator(wire: Wire, broker: ThreadedBroker, version: int) -> None:
    def find(kind: int):
        answer = wire.ask(
            ApiKey.FIND_COORDINATOR, version, key="g", key_type=kind, coordinator_keys=["g"]
        )
        return answer.coordinators[0] if version >= 4 else answer

    found = find(0)
    assert found.error_code == NONE
    assert f"{found.host}:{found.port}" == broker.bootstrap
    if version >= 1:
        assert find(2).error_code == INVALID_REQUEST


@pytest.mark.parametrize("version", versions(ApiKey.DESCRIBE_GROUPS))
def test_describe_groups(wire: Wire, version: int) -> None:
    member_id, _ = stable(wire)
    there, gone = wire.ask(
        ApiKey.DESCRIBE_GROUPS, version, groups=[GROUP, "x"], include_authorized_operations=True
    ).groups
    assert (there.group_state, there.protocol_type, there.protocol_data) == (
        "Stable",
        "consumer",
        "range",
    )
    [member] = there.members
    assert (member.member_id, member.client_id, member.client_host) == (
        member_id,
        "wire",
        "/127.0.0.1",
    )
    assert bytes(member.member_assignment) == ASSIGNMENT
    assert gone.group_state == "Dead"
    assert gone.error_code == (GROUP_NOT_FOUND if version >= 6 else NONE)


@pytest.mark.parametrize("version", versions(ApiKey.LIST_GROUPS))
def test_list_groups(wire: Wire, version: int) -> None:
    assert wire.ask(ApiKey.LIST_GROUPS, version, states_filter=[], types_filter=[]).groups == ()
    stable(wire)
    consumer_heartbeat(wire, 1, "m", 0, group="k")

    def names(states=(), types=()):
        answer = wire.ask(ApiKey.LIST_GROUPS, version, states_filter=states, types_filter=types)
        return [group.group_id for group in answer.groups]

    assert names() == ["g", "k"]
    if version >= 4:
        assert names(states=["STABLE"]) == ["g", "k"]
        assert names(states=["empty"]) == []
    if version >= 5:
        assert names(types=["Consumer"]) == ["k"]


@pytest.mark.parametrize("version", versions(ApiKey.DELETE_GROUPS))
def test_delete_groups(wire: Wire, version: int, topic_id: str) -> None:
    def delete() -> list[int]:
        answer = wire.ask(ApiKey.DELETE_GROUPS, version, groups_names=[GROUP, "x"])
        return [result.error_code for result in answer.results]

    member_id, _ = stable(wire)
    assert delete() == [NON_EMPTY, GROUP_NOT_FOUND]
    wire.ask(ApiKey.LEAVE_GROUP, 5, group_id=GROUP, members=[{"member_id": member_id}])
    assert delete() == [NONE, GROUP_NOT_FOUND]
    assert delete() == [GROUP_NOT_FOUND, GROUP_NOT_FOUND]


def test_offset_delete(wire: Wire, log: logflume.Log, topic_id: str) -> None:
    def delete(topic: str):
        places = [{"partition_index": 0}]
        topics = [{"name": topic, "partitions": places}]
        return wire.ask(ApiKey.OFFSET_DELETE, 0, group_id=GROUP, topics=topics)

    assert delete("t").error_code == GROUP_NOT_FOUND
    commit(wire, 9, {"partition_index": 0, "committed_offset": 7}, topic_id=topic_id)
    member_id, _ = stable(wire)
    assert delete("t").topics[0].partitions[0].error_code == SUBSCRIBED
    wire.ask(ApiKey.LEAVE_GROUP, 5, group_id=GROUP, members=[{"member_id": member_id}])
    assert delete("t").topics[0].partitions[0].error_code == NONE
    fetched = wire.ask(ApiKey.OFFSET_FETCH, 7, group_id=GROUP, topics=None, require_stable=True)
    assert fetched.topics == ()


def consumer_heartbeat(wire: Wire, version: int, member_id: str, epoch: int, *, group: str = GROUP):
    return wire.ask(
        ApiKey.CONSUMER_GROUP_HEARTBEAT,
        version,
        group_id=group,
        member_id=member_id,
        member_epoch=epoch,
        rebalance_timeout=60_000 if epoch == 0 else -1,
        subscribed_topic_names=["t"] if epoch == 0 else None,
        topic_partitions=[] if epoch == 0 else None,
    )


@pytest.mark.parametrize("version", versions(ApiKey.CONSUMER_GROUP_HEARTBEAT))
def test_consumer_group_heartbeat(wire: Wire, version: int, topic_id: str) -> None:
    joined = consumer_heartbeat(wire, version, "" if version == 0 else "mine", 0)
    assert joined.error_code == NONE
    assert joined.member_id
    assert joined.member_epoch == 1
    [topic] = joined.assignment.topic_partitions
    assert topic.partitions == (0, 1)
    fenced = consumer_heartbeat(wire, version, joined.member_id, 7)
    assert fenced.error_code == 110
    assert "rejoin" in fenced.error_message
    assert consumer_heartbeat(wire, version, joined.member_id, -1).member_epoch == -1


@pytest.mark.parametrize("version", versions(ApiKey.CONSUMER_GROUP_DESCRIBE))
def test_consumer_group_describe(wire: Wire, version: int) -> None:
    consumer_heartbeat(wire, 1, "m", 0)
    there, gone = wire.ask(
        ApiKey.CONSUMER_GROUP_DESCRIBE,
        version,
        group_ids=[GROUP, "x"],
        include_authorized_operations=False,
    ).groups
    assert (there.group_state, there.group_epoch, there.assignor_name) == ("Stable", 1, "uniform")
    [member] = there.members
    assert (member.member_id, member.member_epoch, member.subscribed_topic_names) == (
        "m",
        1,
        ("t",),
    )
    [topic] = member.assignment.topic_partitions
    assert (topic.topic_name, topic.partitions) == ("t", (0, 1))
    assert member.target_assignment == member.assignment
    assert gone.error_code == GROUP_NOT_FOUND


def share_heartbeat(wire: Wire, member_id: str, epoch: int, *, group: str = GROUP):
    return wire.ask(
        ApiKey.SHARE_GROUP_HEARTBEAT,
        1,
        group_id=group,
        member_id=member_id,
        member_epoch=epoch,
        subscribed_topic_names=["t"] if epoch == 0 else None,
    )


def test_share_group_heartbeat(wire: Wire) -> None:
    joined = share_heartbeat(wire, "mine", 0)
    assert (joined.error_code, joined.member_id, joined.member_epoch) == (NONE, "mine", 1)
    [topic] = joined.assignment.topic_partitions
    assert topic.partitions == (0, 1)
    fenced = share_heartbeat(wire, "mine", 7)
    assert fenced.error_code == 110
    assert "rejoin" in fenced.error_message
    assert share_heartbeat(wire, "mine", -1).member_epoch == -1


def test_share_groups_are_listed_described_and_deleted(wire: Wire) -> None:
    share_heartbeat(wire, "m", 0)
    there, gone = wire.ask(
        ApiKey.SHARE_GROUP_DESCRIBE,
        1,
        group_ids=[GROUP, "x"],
        include_authorized_operations=False,
    ).groups
    assert (there.group_state, there.group_epoch, there.assignor_name) == ("Stable", 1, "simple")
    [member] = there.members
    assert (member.member_id, member.member_epoch) == ("m", 1)
    [topic] = member.assignment.topic_partitions
    assert (topic.topic_name, topic.partitions) == ("t", (0, 1))
    assert gone.error_code == GROUP_NOT_FOUND
    listed = wire.ask(ApiKey.LIST_GROUPS, 5, states_filter=[], types_filter=["Share"])
    assert [(g.group_id, g.group_type, g.protocol_type) for g in listed.groups] == [
        (GROUP, "share", "share")
    ]
    assert wire.ask(ApiKey.LIST_GROUPS, 5, states_filter=[], types_filter=["consumer"]).groups == ()
    delete = {"groups_names": [GROUP]}
    assert wire.ask(ApiKey.DELETE_GROUPS, 2, **delete).results[0].error_code == NON_EMPTY
    share_heartbeat(wire, "m", -1)
    assert wire.ask(ApiKey.DELETE_GROUPS, 2, **delete).results[0].error_code == NONE
    assert wire.ask(ApiKey.LIST_GROUPS, 5, states_filter=[], types_filter=[]).groups == ()


GROUP_RESOURCE = 32


def alter_group(wire: Wire, name: str, value: str | None, *, operation: int = 0) -> int:
    config = {"name": name, "config_operation": operation, "value": value}
    resource = {
        "resource_type": GROUP_RESOURCE,
        "resource_name": GROUP,
        "configs": [config],
    }
    answer = wire.ask(
        ApiKey.INCREMENTAL_ALTER_CONFIGS, 1, resources=[resource], validate_only=False
    )
    return answer.responses[0].error_code


def group_configs(wire: Wire) -> dict[str, tuple[str, int]]:
    resource = {
        "resource_type": GROUP_RESOURCE,
        "resource_name": GROUP,
        "configuration_keys": None,
    }
    answer = wire.ask(
        ApiKey.DESCRIBE_CONFIGS,
        4,
        resources=[resource],
        include_synonyms=True,
        include_documentation=False,
    )
    return {c.name: (c.value, c.config_source) for c in answer.results[0].configs}


def test_settings_of_a_group(wire: Wire, log: logflume.Log) -> None:
    before = group_configs(wire)
    assert before["share.auto.offset.reset"] == ("latest", 5)
    assert before["share.session.timeout.ms"] == ("45000", 5)
    assert before["consumer.heartbeat.interval.ms"] == ("5000", 5)
    assert alter_group(wire, "share.auto.offset.reset", "earliest") == NONE
    assert alter_group(wire, "share.heartbeat.interval.ms", "777") == NONE
    assert alter_group(wire, "share.auto.offset.reset", "none") == 40
    assert alter_group(wire, "no.such.thing", "1") == 40
    assert alter_group(wire, "share.auto.offset.reset", "latest", operation=2) == 40
    after = group_configs(wire)
    assert after["share.auto.offset.reset"] == ("earliest", 8)
    assert after["share.heartbeat.interval.ms"] == ("777", 8)
    time.sleep(0.1)  # a change is seen within moments
    assert share_heartbeat(wire, "m", 0).heartbeat_interval == timedelta(milliseconds=777)
    assert GroupConfigs(log.directory.path).of(GROUP).strings() == {
        "share.auto.offset.reset": "earliest",
        "share.heartbeat.interval.ms": "777",
    }
    assert alter_group(wire, "share.heartbeat.interval.ms", None, operation=1) == NONE
    assert group_configs(wire)["share.heartbeat.interval.ms"] == ("5000", 5)


def test_what_has_settings_is_listed(wire: Wire) -> None:
    alter_group(wire, "share.auto.offset.reset", "earliest")
    time.sleep(0.1)  # a change is seen within moments

    def listed(version: int, kinds: list[int]) -> list[tuple[int, str]]:
        answer = wire.ask(ApiKey.LIST_CONFIG_RESOURCES, version, resource_types=kinds)
        assert answer.error_code == NONE
        names = (
            (getattr(r, "resource_type", 16), r.resource_name) for r in answer.config_resources
        )
        return list(names)

    assert listed(0, []) == []
    assert listed(1, [GROUP_RESOURCE]) == [(GROUP_RESOURCE, GROUP)]
    everything = listed(1, [])
    assert {(2, "t"), (4, "1"), (GROUP_RESOURCE, GROUP)} <= set(everything)
    unknown = wire.ask(ApiKey.LIST_CONFIG_RESOURCES, 1, resource_types=[99])
    assert unknown.error_code == 35


def waiting_join(broker: ThreadedBroker) -> Wire:
    """A client whose JoinGroup waits for a member that does not come."""
    client = Wire(broker.bootstrap)
    fields = {
        "group_id": GROUP,
        "session_timeout": 30_000,
        "rebalance_timeout": 60_000,
        "member_id": "",
        "protocol_type": "consumer",
        "protocols": [{"name": "range", "metadata": b""}],
    }
    given = client.ask(ApiKey.JOIN_GROUP, 9, **fields).member_id
    client.send(ApiKey.JOIN_GROUP, 9, {**fields, "member_id": given})
    return client


@pytest.mark.parametrize("stays", [True, False])
def test_a_join_that_waits_holds_up_nobody(
    wire: Wire, broker: ThreadedBroker, *, stays: bool
) -> None:
    stable(wire)
    waiting = waiting_join(broker)
    asked = {"groups": [GROUP], "include_authorized_operations": False}
    while wire.ask(ApiKey.DESCRIBE_GROUPS, 5, **asked).groups[0].group_state == "Stable":
        pass
    if not stays:
        waiting.close()
    began = time.monotonic()
    broker.close(grace_s=50)
    assert time.monotonic() - began < 25, "the rebalance would go on for a minute"
    waiting.close()


def test_many_rebalances_of_a_connection_each(broker: ThreadedBroker) -> None:
    with Wire(broker.bootstrap) as wire:
        for generation in range(1, 40, 2):
            joined = join(wire)
            assert joined.generation_id == generation
            sync(wire, joined.member_id, generation)
            wire.ask(
                ApiKey.LEAVE_GROUP, 5, group_id=GROUP, members=[{"member_id": joined.member_id}]
            )
