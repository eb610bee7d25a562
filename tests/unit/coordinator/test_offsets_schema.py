"""Records of `__consumer_offsets`: bytes that Kafka 4.3.1 wrote, and bytes that are wrong."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume.coordinator.offsets_schema import (
    GroupMetadataKey,
    OffsetCommitKey,
    OffsetCommitValue,
    OtherKey,
    decode_key,
    decode_value,
    encode_key,
    encode_value,
    java_hash,
    partition_for,
)
from logflume.errors import InvalidRecord

# Out of a 4.3.1 broker's __consumer_offsets: confluent-kafka committed clicks-1 at 10 (leader
# epoch 0), then at 4 with a note (librdkafka keeps the C string's NUL).
BROKER_KEY = bytes.fromhex("0001000762696c6c696e670006636c69636b7300000001")
BROKER_TOPIC_ID = UUID("f40d412b-b1e7-4394-b1d5-511862af7f80")
BROKER_COMMITS = [
    (
        "0004000000000000000a0000000001000001a20683358e010010f40d412bb1e74394b1d5511862af7f80",
        OffsetCommitValue(10, 0, "", 1795405591950, topic_id=BROKER_TOPIC_ID),
    ),
    (
        "00040000000000000004ffffffff0b6e6f7465643a20c3a400000001a20683359d"
        "010010f40d412bb1e74394b1d5511862af7f80",
        OffsetCommitValue(4, -1, "noted: ä\0", 1795405591965, topic_id=BROKER_TOPIC_ID),
    ),
]
# Out of Kafka's generated classes (OffsetCommitValue of group-coordinator 4.3.1), each version.
NOTE = "näh\U0001f600"
AT, STAMP, EXPIRY = 1234567890123, 1700000000001, 1700000600001
CLASSES = [
    ("00000000011f71fb04cb00086ec3a468f09f98800000018bcfe56801", -1, -1, None),
    ("00010000011f71fb04cb00086ec3a468f09f98800000018bcfe568010000018bcfee8fc1", -1, EXPIRY, None),
    ("00020000011f71fb04cb00086ec3a468f09f98800000018bcfe56801", -1, -1, None),
    ("00030000011f71fb04cb0000000700086ec3a468f09f98800000018bcfe56801", 7, -1, None),
    ("00040000011f71fb04cb00000007096ec3a468f09f98800000018bcfe5680100", 7, -1, None),
    (
        "00040000011f71fb04cb00000007096ec3a468f09f98800000018bcfe56801"
        "010010000102030405060708090a0b0c0d0e0f",
        7,
        -1,
        UUID(bytes=bytes(range(16))),
    ),
]


def test_key_is_what_a_broker_wrote() -> None:
    assert encode_key("billing", "clicks", 1) == BROKER_KEY
    assert decode_key(BROKER_KEY) == OffsetCommitKey("billing", "clicks", 1)
    umlaut = bytes.fromhex("000100076772c3bc7070650003742e610000000b")
    assert encode_key("grüppe", "t.a", 11) == umlaut
    assert decode_key(memoryview(umlaut)) == OffsetCommitKey("grüppe", "t.a", 11)


def test_keys_of_other_kinds_are_told_apart() -> None:
    assert decode_key(bytes.fromhex("000000016700017400000001")) == OffsetCommitKey("g", "t", 1)
    assert decode_key(bytes.fromhex("0002000167")) == GroupMetadataKey("g")
    assert decode_key(bytes.fromhex("0003000167")) == OtherKey(3)


@pytest.mark.parametrize(("hexed", "value"), BROKER_COMMITS)
def test_value_is_what_a_broker_wrote(hexed: str, value: OffsetCommitValue) -> None:
    assert decode_value(bytes.fromhex(hexed)) == value
    assert encode_value(value).hex() == hexed


@pytest.mark.parametrize(("hexed", "epoch", "expiry", "topic_id"), CLASSES)
def test_every_version_of_the_value_is_read(
    hexed: str, epoch: int, expiry: int, topic_id: UUID | None
) -> None:
    assert decode_value(bytes.fromhex(hexed)) == OffsetCommitValue(
        AT, epoch, NOTE, STAMP, expiry, topic_id
    )


def test_version_3_is_written_without_topic_id_and_4_with_one() -> None:
    value = OffsetCommitValue(AT, 7, NOTE, STAMP)
    assert encode_value(value).hex() == CLASSES[3][0]
    with_id = OffsetCommitValue(AT, 7, NOTE, STAMP, topic_id=CLASSES[5][3])
    assert encode_value(with_id).hex() == CLASSES[5][0]


def test_unknown_tagged_fields_are_passed_over() -> None:
    value = bytes.fromhex(CLASSES[4][0])[:-1] + bytes.fromhex("020502aabb0900")
    assert decode_value(value).topic_id is None


# Java's String.hashCode and Utils.abs(hash) % 50, from Java 17 and kafka-clients 4.3.1.
HASHES = [
    ("", 0, 0),
    ("g", 103, 3),
    ("billing", -109829509, 9),
    ("console-consumer-12345", 158455506, 6),
    ("grüppe", -1233264812, 12),
    ("\U0001f600", 1772899, 49),
    ("polygenelubricants", -2147483648, 0),
    ("a very long group id, with spaces / and slashes", 1847850831, 31),
]


@pytest.mark.parametrize(("group", "hashed", "partition"), HASHES)
def test_group_lands_in_kafkas_partition(group: str, hashed: int, partition: int) -> None:
    assert java_hash(group) == hashed
    assert partition_for(group, 50) == partition


@pytest.mark.parametrize("position", range(len(BROKER_KEY)))
def test_truncated_key_is_an_error(position: int) -> None:
    with pytest.raises(InvalidRecord):
        decode_key(BROKER_KEY[:position])


@pytest.mark.parametrize("hexed", [vector[0] for vector in CLASSES])
def test_truncated_or_longer_value_is_an_error(hexed: str) -> None:
    data = bytes.fromhex(hexed)
    for position in range(len(data)):
        with pytest.raises(InvalidRecord):
            decode_value(data[:position])
    with pytest.raises(InvalidRecord, match="goes on"):
        decode_value(data + b"\0")


@pytest.mark.parametrize(
    "hexed",
    [
        "0005" + "00" * 24,  # newer version
        "ffff" + "00" * 24,  # negative version
        "0003" + "00" * 12 + "ffff" + "00" * 8,  # null metadata
        "0003" + "00" * 12 + "0002c328" + "00" * 8,  # not UTF-8
        "0004" + "00" * 12 + "ffffffffff01" + "00" * 8,  # a number over five bytes
        "0004" + "00" * 12 + "01" + "00" * 8 + "010003aabbcc",  # topic id of three bytes
    ],
)
def test_malformed_value_is_an_error(hexed: str) -> None:
    with pytest.raises(InvalidRecord):
        decode_value(bytes.fromhex(hexed))


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(InvalidRecord, match="32767"):
        encode_key("g" * 32768, "t", 0)
    with pytest.raises(InvalidRecord, match="expiry"):
        encode_value(OffsetCommitValue(1, expire_timestamp=5))


int64s = st.integers(-(1 << 63), (1 << 63) - 1)
int32s = st.integers(-(1 << 31), (1 << 31) - 1)


@given(
    st.builds(
        OffsetCommitValue,
        offset=int64s,
        leader_epoch=int32s,
        metadata=st.text(max_size=300),
        commit_timestamp=int64s,
        topic_id=st.none() | st.uuids(),
    )
)
def test_values_come_back(value: OffsetCommitValue) -> None:
    assert decode_value(encode_value(value)) == value


@given(st.text(max_size=100), st.text(max_size=100), st.integers(0, (1 << 31) - 1))
def test_keys_come_back(group: str, topic: str, partition: int) -> None:
    key = OffsetCommitKey(group, topic, partition)
    assert decode_key(encode_key(group, topic, partition)) == key


@given(st.binary(max_size=80))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    for decode in (decode_key, decode_value):
        try:
            decode(data)
        except InvalidRecord:
            pass
