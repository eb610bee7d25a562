"""Records of share groups: those that a Kafka 4.3.1 wrote are read, ours survive the way there and back."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from logflume.coordinator.group_loading import GroupLoader
from logflume.coordinator.group_records import CurrentAssignment, MemberMetadata
from logflume.coordinator.share_group import ShareGroup
from logflume.coordinator.share_records import (
    SharedTopic,
    SharePartitions,
    decode_share_current,
    decode_share_epoch,
    decode_share_member,
    decode_share_partitions,
    encode_share_current,
    encode_share_epoch,
    encode_share_member,
    encode_share_partitions,
)

TOPIC = UUID("ad67fd35-e440-4d37-8b1a-f6457e6dab03")
MEMBER = "HoQPFqx-RwKpSz9LjeUNOw"
_MEMBER_KEY = "0001670016486f51504671782d52774b70537a394c6a65554e4f77"

# Kafka's console share consumer in a group "g", on a topic "t" of two partitions, Kafka 4.3.1.
KAFKA = {
    "000a" + _MEMBER_KEY: (
        "00000017636f6e736f6c652d73686172652d636f6e73756d65720b2f3132372e302e302e3102027400"
    ),
    "000b000167": "0000000000035ccae4d00258cdd800",
    "000c000167": "000000000003010008000001a2089faeb1",
    "000d" + _MEMBER_KEY: "000002ad67fd35e4404d378b1af6457e6dab030300000000000000010000",
    "000e" + _MEMBER_KEY: (
        "000000000003000000020002ad67fd35e4404d378b1af6457e6dab030300000000000000010000"
    ),
    "000f000167": "00000102ad67fd35e4404d378b1af6457e6dab030274030000000000000001000100",
}
BEGUN = {TOPIC: SharedTopic("t", frozenset({0, 1}))}

texts = st.text(max_size=20)
partitions = st.frozensets(st.tuples(st.uuids(), st.integers(0, 9)), max_size=8)
topics = st.dictionaries(
    st.uuids(), st.builds(SharedTopic, texts, st.frozensets(st.integers(0, 9))), max_size=4
)
int32s = st.integers(-(1 << 31), (1 << 31) - 1)


def test_a_group_of_kafkas_is_loaded() -> None:
    loader = GroupLoader()
    for key, value in KAFKA.items():
        loader.take(bytes.fromhex(key), bytes.fromhex(value))
    group = loader.groups()["g"]
    assert isinstance(group, ShareGroup)
    assert (group.epoch, group.target_epoch, group.state) == (3, 3, "Stable")
    member = group.members[MEMBER]
    assert (member.epoch, member.previous_epoch) == (3, 2)
    assert member.metadata.topics == ("t",)
    assert member.metadata.client_host == "/127.0.0.1"
    assert member.assigned == group.target_of(MEMBER) == {(TOPIC, 0), (TOPIC, 1)}
    assert group.partitions.initialized == BEGUN


def test_values_are_kafkas_byte_for_byte() -> None:
    group = GroupLoader()
    for key, value in KAFKA.items():
        group.take(bytes.fromhex(key), bytes.fromhex(value))
    found = group.groups()["g"]
    member = found.members[MEMBER]
    ours = dict(
        [
            found.member_record(member),
            found.target_record(MEMBER),
            found.current_record(member),
            found.partitions_record(),
        ]
    )
    for key, value in ours.items():
        assert value is not None
        assert KAFKA[key.hex()] == value.hex()


def test_partitions_whose_state_is_on_its_way_are_read() -> None:
    value = "000002ad67fd35e4404d378b1af6457e6dab03027403000000000000000100010100"
    assert decode_share_partitions(bytes.fromhex(value)) == SharePartitions(initializing=BEGUN)


def test_tombstones_name_every_record_of_the_group() -> None:
    loader = GroupLoader()
    for key, value in KAFKA.items():
        loader.take(bytes.fromhex(key), bytes.fromhex(value))
    gone = loader.groups()["g"].tombstones()
    assert {key.hex() for key, _ in gone} == set(KAFKA)
    assert {value for _, value in gone} == {None}


@given(int32s)
def test_epochs_come_back(epoch: int) -> None:
    assert decode_share_epoch(encode_share_epoch(epoch)) == epoch


@given(
    st.builds(
        MemberMetadata,
        instance_id=st.none(),
        rack_id=st.none() | texts,
        client_id=texts,
        client_host=texts,
        topics=st.lists(texts, max_size=4).map(tuple),
        regex=st.none(),
        rebalance_timeout_ms=st.just(-1),
        assignor=st.none(),
    )
)
def test_members_come_back(value: MemberMetadata) -> None:
    assert decode_share_member(encode_share_member(value)) == value


@given(st.builds(CurrentAssignment, int32s, int32s, st.integers(0, 2), partitions))
def test_assignments_come_back(value: CurrentAssignment) -> None:
    assert decode_share_current(encode_share_current(value)) == value


@given(st.builds(SharePartitions, topics, topics, st.dictionaries(st.uuids(), texts, max_size=3)))
def test_partitions_come_back(value: SharePartitions) -> None:
    assert decode_share_partitions(encode_share_partitions(value)) == value
