"""Share groups over the wire: sessions, what is acquired, what is said of it, and who may."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.broker import ThreadedBroker, serve
from logflume.broker.api_keys import ApiKey
from logflume.broker.share_answers import parse_answers
from logflume.coordinator.group_configs import GroupConfigs
from logflume.coordinator.share import AcknowledgeType, Answer
from support.wire import Wire

GROUP = "g"
NONE, UNKNOWN_TOPIC, INVALID_REQUEST, UNKNOWN_TOPIC_ID = 0, 3, 42, 100
INVALID_RECORD_STATE, SESSION_NOT_FOUND, INVALID_SESSION_EPOCH, SESSION_LIMIT = 121, 122, 123, 133
GROUP_NOT_FOUND, NON_EMPTY = 69, 68
ACCEPT, RELEASE, REJECT, RENEW = 1, 2, 3, 4


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logflume.Log]:
    with logflume.open(tmp_path) as opened:
        opened.create_topic("t", partitions=2)
        opened.partition("t", 0).append_many([b"v%d" % i for i in range(10)])
        GroupConfigs(opened.directory.path).alter(GROUP, {"share.auto.offset.reset": "earliest"})
        yield opened


@pytest.fixture
def broker(log: logflume.Log) -> Iterator[ThreadedBroker]:
    with serve(log, group_share_max_share_sessions=3) as running:
        yield running


@pytest.fixture
def wire(broker: ThreadedBroker) -> Iterator[Wire]:
    with Wire(broker.bootstrap) as client:
        yield client


class Member:
    """A member's requests, on a connection of its own or of others."""

    def __init__(self, wire: Wire, log: logflume.Log, name: str = "m", version: int = 2) -> None:
        self.wire, self.name, self.version = wire, name, version
        self.topic_id = log.directory.topic("t").topic_id
        self.epoch = 0

    def fetch(self, *acks: tuple[int, int, list[int]], part: int = 0, **fields: Any) -> Any:
        """The answer's partition; the whole answer where that has an error or no partition."""
        plain = {
            "group_id": GROUP,
            "member_id": self.name,
            "share_session_epoch": self.epoch,
            "max_wait": 0,
            "min_bytes": 1,
            "max_bytes": 1 << 20,
            "max_records": 100,
            "batch_size": 100,
            "topics": self._topics(acks, part),
            "forgotten_topics_data": [],
        }
        answer = self.wire.ask(ApiKey.SHARE_FETCH, self.version, **(plain | fields))
        self.epoch += 1
        if answer.error_code or not answer.responses:
            return answer
        return answer.responses[0].partitions[0]

    def say(self, *acks: tuple[int, int, list[int]], part: int = 0, **fields: Any) -> Any:
        plain = {
            "group_id": GROUP,
            "member_id": self.name,
            "share_session_epoch": self.epoch,
            "topics": self._topics(acks, part),
        }
        answer = self.wire.ask(ApiKey.SHARE_ACKNOWLEDGE, self.version, **(plain | fields))
        self.epoch += 1
        return answer

    def _topics(self, acks: tuple[tuple[int, int, list[int]], ...], part: int) -> list[Any]:
        batches = [
            {"first_offset": first, "last_offset": last, "acknowledge_types": types}
            for first, last, types in acks
        ]
        parts = [{"partition_index": part, "acknowledgement_batches": batches}]
        return [{"topic_id": self.topic_id, "partitions": parts}]


def acquired(part: Any) -> list[tuple[int, int, int]]:
    return [(a.first_offset, a.last_offset, a.delivery_count) for a in part.acquired_records]


def code_of(answer: Any) -> int:
    assert answer.error_code == NONE
    return int(answer.responses[0].partitions[0].error_code)


@pytest.mark.parametrize("version", [1, 2])
def test_records_are_acquired_accepted_and_never_come_again(
    wire: Wire, log: logflume.Log, version: int
) -> None:
    member = Member(wire, log, version=version)
    part = member.fetch()
    assert acquired(part) == [(0, 9, 1)]
    assert all(b"v%d" % number in bytes(part.records) for number in range(10))
    assert not member.fetch().responses, "they are held"
    assert code_of(member.say((0, 9, [ACCEPT]))) == NONE
    assert member.fetch(share_session_epoch=-1).error_code == NONE
    other = Member(wire, log, "other")
    assert not other.fetch().responses


def test_the_answer_says_how_long_records_are_locked(wire: Wire, log: logflume.Log) -> None:
    GroupConfigs(log.directory.path).alter(GROUP, {"share.record.lock.duration.ms": 2000})
    time.sleep(0.1)  # a change is seen within moments
    member = Member(wire, log)
    answer = wire.ask(
        ApiKey.SHARE_FETCH,
        2,
        group_id=GROUP,
        member_id="m",
        share_session_epoch=0,
        max_wait=0,
        min_bytes=1,
        max_bytes=1 << 20,
        max_records=100,
        batch_size=4,
        topics=member._topics((), 0),
        forgotten_topics_data=[],
    )
    assert answer.acquisition_lock_timeout.total_seconds() == 2
    assert acquired(answer.responses[0].partitions[0]) == [(0, 3, 1), (4, 7, 1), (8, 9, 1)]


def test_released_records_come_again_and_rejected_ones_do_not(
    wire: Wire, log: logflume.Log
) -> None:
    member = Member(wire, log)
    member.fetch()
    again = member.fetch((0, 9, [ACCEPT, RELEASE, REJECT, RELEASE, *[ACCEPT] * 6]))
    assert again.acknowledge_error_code == NONE
    assert acquired(again) == [(1, 1, 2), (3, 3, 2)]


def test_an_exact_number_of_records(wire: Wire, log: logflume.Log) -> None:
    member = Member(wire, log)
    assert acquired(member.fetch(max_records=3, share_acquire_mode=1)) == [(0, 2, 1)]
    assert acquired(Member(wire, log, "other").fetch(max_records=3)) == [(3, 9, 1)]


def test_more_time_for_records(wire: Wire, log: logflume.Log) -> None:
    member = Member(wire, log)
    member.fetch()
    assert code_of(member.say((0, 9, [RENEW]))) == INVALID_REQUEST, "it has to be announced"
    renewed = member.fetch((0, 9, [RENEW]), is_renew_ack=True, max_records=0)
    assert renewed.acknowledge_error_code == NONE
    assert code_of(member.say((0, 9, [ACCEPT]))) == NONE


def test_no_more_time_where_the_group_gives_none(wire: Wire, log: logflume.Log) -> None:
    GroupConfigs(log.directory.path).alter(GROUP, {"share.renew.acknowledge.enable": "false"})
    member = Member(wire, log)
    member.fetch()
    refused = member.fetch((0, 9, [RENEW]), is_renew_ack=True, max_records=0)
    assert refused.acknowledge_error_code == INVALID_RECORD_STATE
    assert code_of(member.say((0, 9, [ACCEPT]))) == NONE


def test_a_lock_that_runs_out_frees_records_for_who_waits(
    broker: ThreadedBroker, wire: Wire, log: logflume.Log
) -> None:
    GroupConfigs(log.directory.path).alter(GROUP, {"share.record.lock.duration.ms": 1000})
    time.sleep(0.1)
    first = Member(wire, log)
    first.fetch()
    with Wire(broker.bootstrap) as connection:
        found = Member(connection, log, "second").fetch(max_wait=60_000)
    assert acquired(found) == [(0, 9, 2)]
    assert code_of(first.say((0, 9, [ACCEPT]))) == INVALID_RECORD_STATE


def test_the_end_of_a_connection_frees_its_records(
    broker: ThreadedBroker, wire: Wire, log: logflume.Log
) -> None:
    with Wire(broker.bootstrap) as connection:
        assert acquired(Member(connection, log, "dies").fetch()) == [(0, 9, 1)]
    [(first, last, _)] = acquired(Member(wire, log).fetch(max_wait=60_000))
    assert (first, last) == (0, 9)


def test_the_end_of_a_session_frees_what_is_not_settled(wire: Wire, log: logflume.Log) -> None:
    member = Member(wire, log)
    member.fetch()
    answer = member.say((0, 4, [ACCEPT]), share_session_epoch=-1)
    assert code_of(answer) == NONE
    [(first, last, _)] = acquired(Member(wire, log, "other").fetch())
    assert (first, last) == (5, 9)
    assert member.say().error_code == SESSION_NOT_FOUND


def test_a_long_poll_ends_with_the_first_record(wire: Wire, log: logflume.Log) -> None:
    member = Member(wire, log)
    member.fetch()
    number = wire.send(
        ApiKey.SHARE_FETCH,
        2,
        {
            "group_id": GROUP,
            "member_id": "m",
            "share_session_epoch": 1,
            "max_wait": 60_000,
            "min_bytes": 1,
            "max_bytes": 1 << 20,
            "max_records": 100,
            "batch_size": 100,
            "topics": [],
            "forgotten_topics_data": [],
        },
    )
    log.partition("t", 0).append(b"new")
    answer = wire.receive(ApiKey.SHARE_FETCH, 2, number)
    assert acquired(answer.responses[0].partitions[0]) == [(10, 10, 1)]


def abort(producer: logflume.Producer) -> None:
    with producer.transaction():
        producer.send("t", b"aborted", partition=0)
        producer.flush()
        _ = 1 / 0


def test_aborted_records_and_markers_are_not_delivered(wire: Wire, log: logflume.Log) -> None:
    GroupConfigs(log.directory.path).alter(GROUP, {"share.isolation.level": "read_committed"})
    time.sleep(0.1)
    with log.producer(transactional_id="tx") as producer:
        with pytest.raises(ZeroDivisionError):
            abort(producer)
        with producer.transaction():
            producer.send("t", b"committed", partition=0)
    member = Member(wire, log)
    part = member.fetch()
    assert b"committed" in bytes(part.records)
    delivered = {o for first, last, _ in acquired(part) for o in range(first, last + 1)}
    values = {r.offset: r.value for r in log.partition("t", 0).read_batch(0)}
    assert {values[o] for o in delivered} == {b"v%d" % i for i in range(10)} | {b"committed"}


def test_sessions_have_epochs(wire: Wire, log: logflume.Log) -> None:
    member = Member(wire, log)
    member.epoch = 1
    assert member.fetch().error_code == SESSION_NOT_FOUND
    assert member.say().error_code == SESSION_NOT_FOUND
    member.epoch = 0
    assert member.say().error_code == INVALID_SESSION_EPOCH
    member.epoch = 0
    assert member.fetch((0, 0, [ACCEPT])).error_code == INVALID_REQUEST
    member.epoch = 0
    member.fetch()
    member.epoch = 7
    assert member.fetch().error_code == INVALID_SESSION_EPOCH
    assert Member(wire, log, name="").fetch().error_code == INVALID_REQUEST
    for name in ("a", "b"):
        assert not Member(wire, log, name).fetch().error_code
    assert Member(wire, log, "too many").fetch().error_code == SESSION_LIMIT


def test_partitions_that_cannot_be_read_say_why(wire: Wire, log: logflume.Log) -> None:
    member = Member(wire, log)
    assert member.fetch(part=7).error_code == UNKNOWN_TOPIC
    stranger = Member(wire, log, "stranger")
    stranger.topic_id = "AAAAAAAAAAAAAAAAAAAAAQ"
    assert stranger.fetch().error_code == UNKNOWN_TOPIC_ID
    assert code_of(stranger.say((0, 0, [ACCEPT]))) == UNKNOWN_TOPIC_ID


def test_partitions_leave_a_session(wire: Wire, log: logflume.Log) -> None:
    member = Member(wire, log)
    forgotten = [{"topic_id": member.topic_id, "partitions": [0]}]
    assert not member.fetch(topics=[], forgotten_topics_data=[]).responses
    answer = member.fetch(forgotten_topics_data=forgotten)
    assert not answer.responses, "what is forgotten at once is not read"


class _Batch:
    def __init__(self, first: int, last: int, *types: int) -> None:
        self.first_offset, self.last_offset, self.acknowledge_types = first, last, types


def test_answers_are_checked_as_kafka_does() -> None:
    def parse(*batches: _Batch, renews: bool = False) -> list[Answer] | None:
        return parse_answers(batches, renews=renews)

    assert parse(_Batch(0, 3, ACCEPT)) == [Answer(0, 3, AcknowledgeType.ACCEPT)]
    assert parse(_Batch(0, 3, 1, 1, 2, 1)) == [
        Answer(0, 1, AcknowledgeType.ACCEPT),
        Answer(2, 2, AcknowledgeType.RELEASE),
        Answer(3, 3, AcknowledgeType.ACCEPT),
    ]
    assert parse(_Batch(0, 0, RENEW), renews=True) == [Answer(0, 0, AcknowledgeType.RENEW)]
    for wrong in (
        [_Batch(3, 0, ACCEPT)],
        [_Batch(-1, 0, ACCEPT)],
        [_Batch(0, 3, ACCEPT), _Batch(3, 4, ACCEPT)],
        [_Batch(0, 3)],
        [_Batch(0, 3, ACCEPT, ACCEPT)],
        [_Batch(0, 0, 5)],
        [_Batch(0, 0, -1)],
        [_Batch(0, 0, RENEW)],
    ):
        assert parse(*wrong) is None


# Operators


def offsets_of(wire: Wire, topics: list[Any] | None, version: int = 1) -> Any:
    wanted = {"group_id": GROUP, "topics": topics}
    [group] = wire.ask(ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS, version, groups=[wanted]).groups
    return group


def join(wire: Wire, epoch: int) -> int:
    return int(
        wire.ask(
            ApiKey.SHARE_GROUP_HEARTBEAT,
            1,
            group_id=GROUP,
            member_id="m",
            member_epoch=epoch,
            subscribed_topic_names=["t"] if epoch == 0 else None,
        ).error_code
    )


@pytest.mark.parametrize("version", [0, 1])
def test_offsets_of_a_group(wire: Wire, log: logflume.Log, version: int) -> None:
    assert join(wire, 0) == NONE
    before = offsets_of(wire, None, version)
    assert [(p.partition_index, p.start_offset) for p in before.topics[0].partitions] == [
        (0, -1),
        (1, -1),
    ]
    member = Member(wire, log)
    member.fetch()
    member.say((0, 6, [ACCEPT]))
    named = [{"topic_name": "t", "partitions": [0]}, {"topic_name": "x", "partitions": [0]}]
    there, gone = offsets_of(wire, named, version).topics
    assert there.partitions[0].start_offset == 7
    if version >= 1:
        assert there.partitions[0].lag == 3
    assert gone.partitions[0].start_offset == -1


def test_offsets_are_altered_and_deleted_in_a_group_without_members(
    wire: Wire, log: logflume.Log
) -> None:
    def alter(number: int, offset: int) -> Any:
        part = {"partition_index": number, "start_offset": offset}
        topics = [{"topic_name": "t", "partitions": [part]}]
        return wire.ask(ApiKey.ALTER_SHARE_GROUP_OFFSETS, 0, group_id=GROUP, topics=topics)

    def delete(topic: str) -> Any:
        topics = [{"topic_name": topic}]
        return wire.ask(ApiKey.DELETE_SHARE_GROUP_OFFSETS, 0, group_id=GROUP, topics=topics)

    assert alter(0, 4).error_code == GROUP_NOT_FOUND
    assert delete("t").error_code == GROUP_NOT_FOUND
    join(wire, 0)
    assert alter(0, 4).error_code == NON_EMPTY
    assert delete("t").error_code == NON_EMPTY
    join(wire, -1)
    assert code_of(alter(9, 4)) == UNKNOWN_TOPIC
    assert code_of(alter(0, 4)) == NONE
    assert acquired(Member(wire, log).fetch()) == [(4, 9, 1)]
    Member(wire, log).say(share_session_epoch=-1)
    assert delete("x").responses[0].error_code == UNKNOWN_TOPIC
    assert delete("t").responses[0].error_code == NONE
    assert not offsets_of(wire, None).topics
    assert acquired(Member(wire, log).fetch()) == [(0, 9, 1)], "it begins anew"
    assert wire.ask(ApiKey.DELETE_GROUPS, 2, groups_names=[GROUP]).results[0].error_code == NONE


def described(wire: Wire) -> Any:
    (group,) = wire.ask(
        ApiKey.SHARE_GROUP_DESCRIBE, 1, group_ids=[GROUP], include_authorized_operations=False
    ).groups
    return group


def test_queues_of_the_directory_are_members_like_others(wire: Wire, log: logflume.Log) -> None:
    def listed() -> list[tuple[str, str, str]]:
        answer = wire.ask(ApiKey.LIST_GROUPS, 5, states_filter=[], types_filter=[])
        return [(g.group_id, g.group_type, g.group_state) for g in answer.groups]

    assert listed() == []  # what there is of groups is read now
    assert described(wire).error_code == GROUP_NOT_FOUND
    with log.queue("t", group=GROUP) as queue:
        assert queue.poll(timeout=60)
        assert listed() == [(GROUP, "share", "Stable")]
        group = described(wire)
        assert (group.error_code, group.group_state, group.assignor_name) == (0, "Stable", "simple")
        (member,) = group.members
        assert (member.client_host, member.member_epoch) == (f"/pid {os.getpid()}", 0)
        assert member.subscribed_topic_names == ("t",)
        (assigned,) = member.assignment.topic_partitions
        assert (assigned.topic_name, assigned.partitions) == ("t", (0, 1))
        # A client beside it is told of once, by what it said of itself.
        assert join(wire, 0) == NONE
        client = Member(wire, log, "m")
        client.fetch(part=0)
        hosts = {one.client_host for one in described(wire).members}
        assert hosts == {f"/pid {os.getpid()}", "/127.0.0.1"}
        assert len(described(wire).members) == 2
    join(wire, -1)
    assert (described(wire).group_state, described(wire).members) == ("Empty", ())
    assert listed() == [(GROUP, "share", "Empty")]
