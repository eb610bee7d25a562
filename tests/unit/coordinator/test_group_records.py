"""Records of groups: those that a Kafka 4.3.1 wrote are read, ours survive the way there and back."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume.coordinator.consumer_protocol import (
    decode_assignment,
    decode_topics,
    encode_assignment,
    encode_subscription,
)
from logflume.coordinator.group_loading import GroupLoader
from logflume.coordinator.group_records import (
    ClassicMemberRecord,
    ClassicMetadata,
    CurrentAssignment,
    GroupKey,
    MemberMetadata,
    decode_classic,
    decode_current,
    decode_epoch,
    decode_group_key,
    decode_member,
    decode_regex,
    decode_target,
    encode_classic,
    encode_current,
    encode_epoch,
    encode_group_key,
    encode_member,
    encode_regex,
    encode_target,
)
from logflume.errors import InvalidRecord
from logflume.types import TopicPartition

TOPIC = UUID("39f00011-7a12-42bc-a71f-894667ea9d4b")
EVERYTHING = frozenset((TOPIC, number) for number in range(4))
MEMBER = "VqWmKF1iSw6QjflJJ_Onvw"

# A console consumer of each protocol in groups "warm" and "theirs", on Kafka 4.3.1.
KAFKA_CLASSIC = bytes.fromhex(
    "00030008636f6e73756d657200000001000572616e67650035636f6e736f6c652d636f6e73756d65722d373133"
    "39633465332d643865322d343761612d616432622d326561383262343735393133000001a2075a6b6400000001"
    "0035636f6e736f6c652d636f6e73756d65722d37313339633465332d643865322d343761612d616432622d3265"
    "61383262343735393133ffff0010636f6e736f6c652d636f6e73756d6572000a2f3132372e302e302e31000493"
    "e00000afc800000017000300000001000174ffffffff00000000ffffffffffff00000021000300000001000174"
    "0000000400000000000000010000000200000003ffffffff"
)
KAFKA_EMPTY = bytes.fromhex("0003000000000000ffffffff000001a2075a6ad900000000")
KAFKA_CONSUMER = {
    "0005000674686569727300165671576d4b463169537736516a666c4a4a5f4f6e7677": (
        "0000000011636f6e736f6c652d636f6e73756d65720b2f3132372e302e302e3102027401000493e00001000100"
    ),
    "00030006746865697273": "000000000002010008f58a9294abc0c0d0",
    "0007000674686569727300165671576d4b463169537736516a666c4a4a5f4f6e7677": (
        "00000239f000117a1242bca71f894667ea9d4b05000000000000000100000002000000030000"
    ),
    "00060006746865697273": "000000000002010008000001a2075b9ee0",
    "0008000674686569727300165671576d4b463169537736516a666c4a4a5f4f6e7677": (
        "00000000000200000000000239f000117a1242bca71f894667ea9d4b050000000000000001000000020000000301"
        "001105000000020000000200000002000000020100"
    ),
}


def test_a_classic_group_of_kafkas_is_read_and_would_be_written_alike() -> None:
    value = decode_classic(KAFKA_CLASSIC)
    [member] = value.members
    assert (value.generation, value.protocol, value.leader) == (1, "range", member.member_id)
    assert (member.session_timeout_ms, member.rebalance_timeout_ms) == (45_000, 300_000)
    assert decode_topics(member.subscription) == {"t"}
    places = tuple(TopicPartition("t", number) for number in range(4))
    assert decode_assignment(member.assignment) == places
    assert encode_classic(value) == KAFKA_CLASSIC
    assert encode_classic(decode_classic(KAFKA_EMPTY)) == KAFKA_EMPTY


def test_a_consumer_group_of_kafkas_is_read() -> None:
    loader = GroupLoader()
    for key, value in KAFKA_CONSUMER.items():
        loader.take(bytes.fromhex(key), bytes.fromhex(value))
    group = loader.groups()["theirs"]
    assert (group.state, group.epoch, group.target_epoch) == ("Stable", 2, 2)
    member = group.members[MEMBER]
    assert (member.epoch, member.assigned) == (2, EVERYTHING)
    assert group.targets == {MEMBER: EVERYTHING}
    said = member.metadata
    assert (said.topics, said.regex, said.classic, said.client_host) == (
        ("t",),
        None,
        None,
        "/127.0.0.1",
    )


def test_keys_are_kafkas() -> None:
    keys = [encode_group_key(5, "theirs", MEMBER), encode_group_key(3, "theirs")]
    assert [key.hex() for key in keys] == list(KAFKA_CONSUMER)[:2]
    assert decode_group_key(keys[0]) == GroupKey(5, "theirs", MEMBER)
    assert decode_group_key(bytes.fromhex("0011000167")) is None, "a streams group's"


TEXT = st.text(max_size=12)
MAYBE = st.none() | TEXT
NUMBER = st.integers(-(1 << 31), (1 << 31) - 1)
BYTES = st.binary(max_size=12)
PLACES = st.frozensets(st.tuples(st.uuids(), st.integers(0, 1 << 30)), max_size=6)


@given(
    st.builds(
        ClassicMetadata,
        TEXT,
        NUMBER,
        MAYBE,
        MAYBE,
        st.integers(-1, 1 << 60),
        st.lists(
            st.builds(ClassicMemberRecord, TEXT, MAYBE, TEXT, TEXT, NUMBER, NUMBER, BYTES, BYTES),
            max_size=3,
        ).map(tuple),
    )
)
def test_classic_groups_survive(value: ClassicMetadata) -> None:
    assert decode_classic(encode_classic(value)) == value


@given(
    st.builds(
        MemberMetadata,
        MAYBE,
        MAYBE,
        TEXT,
        TEXT,
        st.lists(TEXT, max_size=4).map(tuple),
        MAYBE.map(lambda text: text or None),
        NUMBER,
        MAYBE,
        st.none() | st.tuples(NUMBER, st.lists(st.tuples(TEXT, BYTES), max_size=3).map(tuple)),
    )
)
def test_members_survive(value: MemberMetadata) -> None:
    assert decode_member(encode_member(value)) == value


@given(NUMBER, NUMBER, st.integers(0, 2), PLACES, PLACES)
def test_assignments_survive(epoch, previous, state, assigned, revoking) -> None:
    value = CurrentAssignment(epoch, previous, state, assigned, revoking)
    assert decode_current(encode_current(value)) == value
    assert decode_target(encode_target(assigned)) == assigned
    assert decode_epoch(encode_epoch(epoch)) == epoch


def test_expressions_survive() -> None:
    assert decode_regex(encode_regex(["a", "b"], 3, 1000)) == ("a", "b")


@given(st.data())
def test_torn_records_are_an_error_and_nothing_else(data: st.DataObject) -> None:
    whole = [
        (decode_classic, KAFKA_CLASSIC),
        (decode_member, bytes.fromhex(next(iter(KAFKA_CONSUMER.values())))),
        (decode_current, bytes.fromhex(list(KAFKA_CONSUMER.values())[4])),
        (decode_target, bytes.fromhex(list(KAFKA_CONSUMER.values())[2])),
    ]
    decode, good = data.draw(st.sampled_from(whole))
    cut = data.draw(st.integers(0, len(good) - 1))
    with pytest.raises(InvalidRecord):
        decode(good[:cut])
    torn = bytearray(good)
    torn[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decode(bytes(torn))
    except InvalidRecord:
        pass


@given(st.binary(max_size=40), st.binary(max_size=60))
def test_a_loader_passes_over_what_it_cannot_read(key: bytes, value: bytes) -> None:
    loader = GroupLoader()
    loader.take(key, value)
    for good_key, good in KAFKA_CONSUMER.items():
        loader.take(bytes.fromhex(good_key), bytes.fromhex(good))
    assert loader.groups()["theirs"].members[MEMBER].assigned == EVERYTHING


@given(st.frozensets(st.builds(TopicPartition, TEXT, st.integers(0, 99)), max_size=6))
def test_what_consumers_say_survives(places: frozenset[TopicPartition]) -> None:
    assert decode_assignment(encode_assignment(places)) == tuple(sorted(places))
    topics = {where.topic for where in places}
    assert decode_topics(encode_subscription(topics)) == topics
    assert decode_topics(b"\0") is None
    assert decode_assignment(b"\0\0\0") == ()
