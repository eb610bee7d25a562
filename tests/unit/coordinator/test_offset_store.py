"""Committed offsets over a real partition: what was appended last counts, whoever appended it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logflume._native.partition import Partition
from logflume.coordinator.internal_partition import InternalPartition
from logflume.coordinator.offset_store import OffsetStore
from logflume.coordinator.offsets_schema import decode_value, encode_key
from logflume.errors import InvalidGroup, InvalidRecord, RecordTooLarge
from logflume.types import OffsetAndMetadata, TopicPartition
from support.partitions import Handle, opened

T0, T1, U0 = TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("u", 0)
NAME = "__consumer_offsets-3"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Partition]:
    with opened(tmp_path, name=NAME) as log:
        yield log


def at(offset: int, metadata: str = "", leader_epoch: int | None = None) -> OffsetAndMetadata:
    return OffsetAndMetadata(offset, metadata, leader_epoch)


def test_a_partition_is_an_offsets_log(log: Partition) -> None:
    typed: InternalPartition = log
    assert typed.end_offset == 0


def test_the_last_commit_counts(log: Partition) -> None:
    store = OffsetStore(log)
    assert store.committed("g", T0) is None
    store.commit("g", {T0: at(5, "note ü", 3), T1: at(7)}, now_ms=1)
    assert store.committed("g", T0) == at(5, "note ü", 3)
    store.commit("g", {T0: at(2)})
    store.commit("h", {T0: at(9)})
    assert store.offsets("g") == {T0: at(2), T1: at(7)}
    assert store.committed("h", T1) is None
    assert store.groups() == ["g", "h"]


def test_one_commit_is_one_batch(log: Partition) -> None:
    OffsetStore(log).commit("g", {TopicPartition("t", n): at(n) for n in range(1000)})
    assert log.end_offset == 1000
    head = Path(log.path, "0" * 20 + ".log").read_bytes()[:61]
    assert int.from_bytes(head[57:61], "big") == 1000


def test_a_durable_commit_is_on_disk_when_it_returns(log: Partition) -> None:
    store = OffsetStore(log)
    store.commit("g", {T0: at(1)}, durable=False)
    before = log.durable_offset
    store.commit("g", {T0: at(2), T1: at(3)})
    assert (before, log.durable_offset) == (0, 3)
    store.commit("g", {})
    assert log.end_offset == 3


def test_commits_by_another_process_are_seen(tmp_path: Path) -> None:
    a, b = Handle(tmp_path, name=NAME), Handle(tmp_path, name=NAME)
    here, there = OffsetStore(a.log), OffsetStore(b.log)
    here.commit("g", {T0: at(1)})
    assert there.committed("g", T0) == at(1)
    there.commit("g", {T0: at(2)})
    assert here.committed("g", T0) == at(2)
    a.close()
    b.close()
    with opened(tmp_path, name=NAME) as log:
        assert OffsetStore(log).committed("g", T0) == at(2)


def test_deleted_offsets_stay_deleted(tmp_path: Path) -> None:
    with opened(tmp_path, name=NAME) as log:
        store = OffsetStore(log)
        store.commit("g", {T0: at(1), T1: at(2), U0: at(3)})
        store.commit("h", {T0: at(4), U0: at(5)})
        assert store.delete("g", [T1, TopicPartition("t", 9)]) == 1
        assert store.delete_topic("u") == 2
        assert store.delete("nobody") == 0
        assert store.offsets("g") == {T0: at(1)}
    with opened(tmp_path, name=NAME) as log:
        store = OffsetStore(log)
        assert store.offsets("h") == {T0: at(4)}
        assert store.delete("h") == 1
        assert store.groups() == ["g"]
        assert store.offsets("h") == {}
        store.commit("h", {T0: at(6)})
        assert store.committed("h", T0) == at(6)


def test_what_cannot_be_committed_stores_nothing(log: Partition) -> None:
    store = OffsetStore(log)
    with pytest.raises(InvalidRecord, match="-1"):
        store.commit("g", {T0: at(1), T1: at(-1)})
    with pytest.raises(RecordTooLarge) as caught:
        store.commit("g", {T0: at(1), T1: at(1, "é" * 2049)})
    assert (caught.value.size, caught.value.limit) == (4098, 4096)
    with pytest.raises(InvalidGroup):
        store.commit("", {T0: at(1)})
    assert log.end_offset == 0


def test_a_brokers_other_records_and_old_keys_are_no_trouble(log: Partition) -> None:
    good = bytes.fromhex("00030000000000000008ffffffff00000000000000000001")
    log.append_many(
        [b"x" * 100, good, None, good, b"y"],
        [
            bytes.fromhex("0002000167"),  # members of group "g"
            b"\0\0" + encode_key("old", "t", 0)[2:],  # a key of version 0
            bytes.fromhex("0003000167"),
            None,
            b"",
        ],
    )
    store = OffsetStore(log)
    assert store.groups() == ["old"]
    assert store.committed("old", T0) == at(8)
    assert store.delete("old") == 1
    assert store.committed("old", T0) is None


def test_one_unreadable_commit_hides_no_other(log: Partition) -> None:
    store = OffsetStore(log)
    store.commit("g", {T0: at(1)})
    log.append_many([b"\0\3short", b"v"], [encode_key("g", "t", 1), b"\0\1broken"])
    assert store.committed("g", T0) == at(1)
    with pytest.raises(InvalidRecord, match="'g' for t-1"):
        store.committed("g", T1)
    assert store.groups() == ["g"]
    store.commit("g", {T1: at(2)})
    assert store.committed("g", T1) == at(2)


def test_commits_are_read_on_from_a_start_that_moved(log: Partition) -> None:
    store = OffsetStore(log)
    store.commit("g", {T0: at(1)})
    store.refresh()
    for n in range(2, 6):
        store.commit("g", {T0: at(n), T1: at(n)})
    log.set_start_offset(5)
    assert store.committed("g", T0) == at(5)
    assert OffsetStore(log).committed("g", T1) == at(5)


def test_a_commit_for_an_earlier_topic_of_the_same_name_is_not_taken(log: Partition) -> None:
    ids = {"t": UUID(int=1)}
    store = OffsetStore(log, topic_id=ids.get)
    store.commit("g", {T0: at(1), U0: at(2)}, now_ms=123)
    written = [decode_value(log.read(n).value or b"") for n in range(2)]
    assert [value.topic_id for value in written] == [ids["t"], None]
    assert written[0].commit_timestamp == 123
    assert store.committed("g", T0) == at(1)
    ids["t"] = UUID(int=2)  # deleted and made anew
    assert store.committed("g", T0) is None
    assert store.offsets("g") == {U0: at(2)}
    assert OffsetStore(log).committed("g", T0) == at(1)
    del ids["t"]  # not known: no reason to doubt
    assert store.committed("g", T0) == at(1)


partitions = st.builds(TopicPartition, st.sampled_from("tu"), st.integers(0, 2))
commits = st.dictionaries(partitions, st.builds(at, st.integers(0, 99)), min_size=1, max_size=4)
steps = st.one_of(
    st.tuples(st.just("commit"), st.sampled_from("gh"), commits),
    st.tuples(st.just("delete"), st.sampled_from("gh"), st.none() | st.lists(partitions)),
    st.tuples(st.just("delete_topic"), st.just(""), st.sampled_from("tu")),
)


@given(st.lists(st.tuples(st.integers(0, 1), steps), max_size=12))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_two_stores_agree_with_a_plain_dict(
    tmp_path_factory: pytest.TempPathFactory, script: list[tuple[int, tuple[str, str, object]]]
) -> None:
    directory = tmp_path_factory.mktemp("offsets")
    handles = [Handle(directory, name=NAME) for _ in range(2)]
    stores = [OffsetStore(handle.log) for handle in handles]
    model: dict[tuple[str, TopicPartition], OffsetAndMetadata] = {}
    for which, (action, group, what) in script:
        store = stores[which]
        if action == "commit":
            assert isinstance(what, dict)
            store.commit(group, what, durable=False)
            model |= {(group, where): entry for where, entry in what.items()}
        elif action == "delete":
            assert what is None or isinstance(what, list)
            gone = {k for k in model if k[0] == group and (what is None or k[1] in what)}
            assert store.delete(group, what, durable=False) == len(gone)
            model = {k: v for k, v in model.items() if k not in gone}
        else:
            gone = {k for k in model if k[1].topic == what}
            assert store.delete_topic(str(what), durable=False) == len(gone)
            model = {k: v for k, v in model.items() if k not in gone}
        for other in stores:
            assert other.groups() == sorted({group for group, _ in model})
            for name in "gh":
                assert other.offsets(name) == {p: v for (g, p), v in model.items() if g == name}
    for handle in handles:
        handle.close()
