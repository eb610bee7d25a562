"""The header that carries a commit's batches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume.coordinator.transactions.redo import PartitionRedo, decode_redo, encode_redo
from logflume.errors import InvalidRecord
from logflume.types import TopicPartition

OFFSETS = st.integers(0, (1 << 63) - 1)
PARTS = st.builds(
    PartitionRedo,
    st.builds(TopicPartition, st.text(max_size=8), st.integers(0, 9999)),
    st.text(max_size=22),
    OFFSETS,
    OFFSETS,
    st.lists(st.tuples(OFFSETS, st.binary(max_size=40)), max_size=3).map(tuple),
)


@given(st.lists(PARTS, max_size=5))
def test_comes_back(parts: list[PartitionRedo]) -> None:
    assert decode_redo(encode_redo(parts)) == parts


@given(st.lists(PARTS, min_size=1, max_size=3), st.data())
def test_damage_is_an_error(parts: list[PartitionRedo], data: st.DataObject) -> None:
    whole = encode_redo(parts)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(InvalidRecord):
        decode_redo(whole[:cut])
    with pytest.raises(InvalidRecord, match="goes on"):
        decode_redo(whole + b"\0")
    with pytest.raises(InvalidRecord, match="version 1"):
        decode_redo(b"\0\1" + whole[2:])
