"""`__transaction_state`: against segments that a Kafka 4.3 wrote, at transaction.version 0 and 2, and at random.

The segments are of one transactional id, taken over once, that commits and aborts in a-0, a-1 and b-0
(tests/golden/transaction_state).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume._native.batches import BatchScan
from logflume.coordinator.transactions.entry import Entry, State
from logflume.coordinator.transactions.state_schema import (
    decode_key,
    decode_value,
    encode_key,
    encode_value,
)
from logflume.errors import InvalidRecord
from logflume.types import TopicPartition

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "transaction_state"
PLACES = (TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0))
NUMBERS = st.integers(-1, (1 << 63) - 1)
SMALL = st.integers(-1, (1 << 15) - 1)


def kafkas(version: int) -> list[tuple[bytes, bytes]]:
    data = (GOLDEN / f"transaction-version-{version}.log").read_bytes()
    return [(r.key, r.value) for batch in BatchScan(data) for r in batch.records().records()]


@pytest.mark.parametrize("version", [0, 2])
def test_kafkas_records_are_understood(version: int) -> None:
    entries = [decode_value(decode_key(key), value) for key, value in kafkas(version)]
    assert {entry.transactional_id for entry in entries} == {"billing"}
    assert {entry.timeout_ms for entry in entries} == {30_000}
    walk = [(entry.state, entry.producer_epoch, entry.partitions) for entry in entries]
    by_epoch = {epoch: [w for w in walk if w[1] == epoch] for _, epoch, _ in walk}
    assert list(by_epoch) == [0, 1]
    for epoch, steps in by_epoch.items():
        assert [(s, p) for s, _, p in dict.fromkeys(steps) if len(p) in (0, 3)] == [
            (State.EMPTY, ()),
            (State.ONGOING, PLACES),
            (State.PREPARE_COMMIT, PLACES),
            (State.COMPLETE_COMMIT, ()),
            (State.PREPARE_ABORT, PLACES),
            (State.COMPLETE_ABORT, ()),
        ], epoch
    for entry in entries:
        assert (entry.started_ms == -1) == (entry.state is State.EMPTY)
        assert entry.updated_ms > 1_700_000_000_000


@pytest.mark.parametrize("version", [0, 2])
def test_ours_are_kafkas_bytes(version: int) -> None:
    """Byte for byte, but for the order of partitions, which Kafka leaves to a hash table."""
    for key, value in kafkas(version):
        ours = encode_value(decode_value(decode_key(key), value))
        assert encode_key(decode_key(key)) == key
        assert sorted(ours) == sorted(value)
        if b"\0\1a" not in value and b"\2a" not in value:
            assert ours == value


ENTRIES = st.builds(
    Entry,
    st.text(max_size=20),
    NUMBERS,
    SMALL,
    st.integers(0, (1 << 31) - 1),
    state=st.sampled_from([s for s in State if s is not State.EMPTY]),
    partitions=st.sets(
        st.builds(TopicPartition, st.text(max_size=5), st.integers(0, 9999)), max_size=6
    ).map(lambda places: tuple(sorted(places))),
    updated_ms=NUMBERS,
    started_ms=NUMBERS,
    previous_producer_id=NUMBERS,
    next_producer_id=NUMBERS,
    client_version=st.integers(0, 2),
    next_producer_epoch=SMALL,
)


@given(ENTRIES)
def test_any_entry_comes_back(entry: Entry) -> None:
    assert decode_value(entry.transactional_id, encode_value(entry)) == entry
    assert decode_key(encode_key(entry.transactional_id)) == entry.transactional_id


@given(ENTRIES, st.data())
def test_damage_is_an_error(entry: Entry, data: st.DataObject) -> None:
    whole = encode_value(entry)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(InvalidRecord):
        decode_value("x", whole[:cut])
    with pytest.raises(InvalidRecord, match="goes on"):
        decode_value("x", whole + b"\0")
    for version in (b"\0\2", b"\xff\xff"):
        with pytest.raises(InvalidRecord, match="version"):
            decode_value("x", version + whole[2:])
    with pytest.raises(InvalidRecord, match="state 9"):
        decode_value("x", whole[:16] + b"\x09" + whole[17:])


@pytest.mark.parametrize(
    "key", [b"", b"\0", b"\0\1\0\0", b"\0\0\0\5ab", b"\0\0\0\1ab", b"\0\0\xff\xff"]
)
def test_a_broken_key_is_an_error(key: bytes) -> None:
    with pytest.raises(InvalidRecord, match="key of __transaction_state"):
        decode_key(key)
