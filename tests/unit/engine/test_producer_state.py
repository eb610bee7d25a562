"""Idempotent producers: what may follow what, what is written once, what is known after reopening."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume import errors
from support.partitions import Handle, as_after_kill, opened, read_all
from support.transactional import NOW, batch, marker

DAY = 86_400_000


def known(log: Any) -> dict[int, tuple[int, int, int]]:
    """Of each producer: epoch, last sequence, last offset."""
    return {p.producer_id: (p.epoch, p.last_sequence, p.last_offset) for p in log.producers()}


def test_a_batch_sent_again_is_written_once_and_keeps_its_offsets(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        first = log.append_batches(batch(1, 0, 3))
        log.append(b"plain")
        assert (first.base_offset, first.last_offset, first.duplicate) == (0, 2, False)
        again = log.append_batches(batch(1, 0, 3))
        assert (again.base_offset, again.last_offset, again.duplicate) == (0, 2, True)
        assert log.end_offset == 4
        for i in range(3, 8):
            log.append_batches(batch(1, i))
        # Only the last five are remembered, as by Kafka: the client had its answer to the one before long ago.
        assert log.append_batches(batch(1, 3)).duplicate
        with pytest.raises(errors.OutOfOrderSequence):
            log.append_batches(batch(1, 0, 3))
        # The same numbers cut otherwise are no retry.
        with pytest.raises(errors.OutOfOrderSequence):
            log.append_batches(batch(1, 6, 2))


def test_a_gap_is_refused_and_nothing_of_the_call_is_written(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append_batches(batch(1, 0, 2))
        with pytest.raises(errors.OutOfOrderSequence, match="begins at sequence 3, expected is 2"):
            log.append_batches(batch(1, 3))
        with pytest.raises(errors.OutOfOrderSequence):
            log.append_batches(batch(1, 2) + batch(2, 0) + batch(1, 4))
        assert log.end_offset == 2
        assert known(log) == {1: (0, 1, 1)}
        log.append_batches(batch(1, 2) + batch(2, 7) + batch(1, 3))
        assert known(log) == {1: (0, 3, 4), 2: (0, 7, 3)}


def test_epochs_fence_and_begin_at_sequence_zero(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append_batches(batch(1, 5, epoch=3))  # nothing known of it: it may begin anywhere
        with pytest.raises(errors.InvalidProducerEpoch):
            log.append_batches(batch(1, 6, epoch=2))
        with pytest.raises(errors.OutOfOrderSequence):
            log.append_batches(batch(1, 6, epoch=4))
        log.append_batches(batch(1, 0, epoch=4))
        with pytest.raises(errors.InvalidProducerEpoch) as raised:
            log.append_batches(batch(1, 6, epoch=3))
        assert raised.value.code == 47
        assert known(log) == {1: (4, 0, 1)}


def test_sequences_wrap_behind_the_largest_int(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append_batches(batch(1, 2**31 - 2, 3))
        assert known(log) == {1: (0, 0, 2)}
        assert log.append_batches(batch(1, 2**31 - 2, 3)).duplicate
        log.append_batches(batch(1, 1))
        with pytest.raises(errors.OutOfOrderSequence):
            log.append_batches(batch(1, 3))


def test_retries_in_front_of_new_batches_are_left_out(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append_batches(batch(1, 0) + batch(1, 1))
        log.append(b"between")
        info = log.append_batches(batch(1, 0) + batch(1, 1) + batch(1, 2))
        assert (info.base_offset, info.last_offset, info.duplicate) == (0, 3, False)
        assert [row.value for row in read_all(log)] == [b"1:0", b"1:1", b"between", b"1:2"]


def test_other_processes_batches_are_known(tmp_path: Path) -> None:
    one, two = Handle(tmp_path), Handle(tmp_path)
    try:
        one.log.append_batches(batch(1, 0, 2))
        assert two.log.append_batches(batch(1, 0, 2)).duplicate
        two.log.append_batches(batch(1, 2))
        two.log.append(b"plain")
        two.log.roll()
        two.log.append_batches(batch(1, 3) + batch(2, 0))
        with pytest.raises(errors.OutOfOrderSequence):
            one.log.append_batches(batch(1, 3, 2))
        one.log.append_batches(batch(1, 4))
        assert known(one.log) == known(two.log) == {1: (0, 4, 6), 2: (0, 0, 5)}
    finally:
        one.close()
        two.close()


@pytest.mark.parametrize("how", ["closed", "killed", "no snapshots", "bad snapshot", "no state"])
def test_what_is_known_after_reopening(how: str, tmp_path: Path) -> None:
    handle = Handle(tmp_path / "live", segment_bytes=2000)
    log = handle.log
    for i in range(40):
        log.append_batches(batch(1, i, size=100))
        if i % 3 == 0:
            log.append(b"plain")
        if i < 20:
            log.append_batches(batch(2, i, epoch=1))
    before, end = known(log), log.end_offset
    assert len(log.segments()) > 3
    where = tmp_path / "live"
    if how == "closed":
        handle.close()
    else:
        where = as_after_kill(where, tmp_path / "killed")
        handle.close()
    snapshots = sorted((where / "t-0").glob("*.snapshot"))
    assert len(snapshots) > 2
    if how == "no snapshots":
        for path in snapshots:
            path.unlink()
    if how == "bad snapshot":
        data = bytearray(snapshots[-1].read_bytes())
        data[-1] ^= 1
        snapshots[-1].write_bytes(data)
    if how == "no state":
        (where / "t-0" / "logflume.state").unlink()
    with opened(where, segment_bytes=2000) as log:
        assert known(log) == before
        assert log.end_offset == end
        assert log.append_batches(batch(1, 39, size=100)).duplicate
        log.append_batches(batch(1, 40))
        with pytest.raises(errors.OutOfOrderSequence):
            log.append_batches(batch(2, 21, epoch=1))
        if how == "bad snapshot":
            assert [cut.path for cut in log.recovery.cuts] == [str(snapshots[-1])]
            assert not snapshots[-1].exists()


def test_snapshots_behind_a_cut_are_forgotten(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append_batches(batch(1, 0))
        log.append_batches(batch(1, 1))
    active = tmp_path / "t-0" / f"{0:020d}.log"
    assert (tmp_path / "t-0" / f"{2:020d}.snapshot").exists()
    active.write_bytes(active.read_bytes()[:-1])
    (tmp_path / "t-0" / "logflume.state").unlink()
    with opened(tmp_path) as log:
        assert log.end_offset == 1
        assert known(log) == {1: (0, 0, 0)}
        log.append_batches(batch(2, 0))
        assert not log.append_batches(batch(1, 1)).duplicate


def test_snapshots_that_belong_to_no_segment_go_but_for_the_newest(tmp_path: Path) -> None:
    for i in range(5):
        with opened(tmp_path) as log:
            log.append_batches(batch(1, i))
            if i == 2:
                log.roll()
    names = sorted(path.name for path in (tmp_path / "t-0").glob("*.snapshot"))
    assert names == [f"{3:020d}.snapshot", f"{5:020d}.snapshot"]
    with opened(tmp_path) as log:
        log.set_start_offset(3)
        assert log.delete_old_segments()[0] == 1
        assert known(log) == {1: (0, 4, 4)}


def test_idle_producers_are_forgotten_but_for_those_in_a_transaction(tmp_path: Path) -> None:
    with opened(tmp_path, producer_expiration_ms=DAY) as log:
        log.append_batches(batch(1, 0, timestamp=NOW - 2 * DAY))
        log.append_batches(batch(2, 0, timestamp=NOW - 2 * DAY, transactional=True))
        log.append_batches(batch(3, 0))
        assert set(known(log)) == {1, 2, 3}
        log.roll()
        assert set(known(log)) == {2, 3}
        log.append_batches(batch(1, 77))
    with opened(tmp_path) as log:
        assert known(log)[1] == (0, 77, 3)


def test_idle_producers_are_forgotten_while_the_log_is_open(tmp_path: Path) -> None:
    """No segment is rolled, and nothing opened anew."""
    with opened(tmp_path, producer_expiration_ms=200) as log:
        log.append_batches(batch(1, 0, timestamp=NOW))
        log.append_batches(batch(2, 0, timestamp=NOW, transactional=True))
        time.sleep(0.3)
        log.append_batches(batch(3, 0, timestamp=int(time.time() * 1000)))
        assert set(known(log)) == {2, 3}
        # It may begin anywhere; the one in a transaction may not.
        log.append_batches(batch(1, 50))
        with pytest.raises(errors.OutOfOrderSequence):
            log.append_batches(batch(2, 50, transactional=True))


def test_one_producer_is_asked_for_by_its_id(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        assert log.producer(1) is None
        for producer in range(40):  # more than its table has room for at first
            log.append_batches(batch(producer, 5, producer + 1))
        assert [log.producer(p.producer_id) for p in log.producers()] == log.producers()
        assert len(log.producers()) == 40
        assert log.producer(40) is log.producer(-1) is log.producer(-(1 << 63)) is None
        with opened(tmp_path) as other:  # what it appends is taken in when this one is asked
            other.append_batches(batch(40, 0))
        assert log.producer(40) == log.producers()[-1]
        # Refused as the first of a producer: nothing is known of it.
        with pytest.raises(errors.OutOfOrderSequence):
            log.append_batches(batch(41, 0) + batch(41, 2))
        assert log.producer(41) is None


def test_plain_records_need_no_producer_state(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append(b"one")
        log.append_many([b"two"])
        log.roll()
        log.append(b"three")
        assert log.producers() == []
    assert not list((tmp_path / "t-0").glob("*.snapshot"))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: marker(1, commit=True), "control"),
        (lambda data: data[:-1], "cut off"),
        (lambda data: data[:-1] + b"\xff", "crc"),
    ],
)
def test_append_batches_refuses_what_a_client_may_not_write(
    spoil: Any, reason: str, tmp_path: Path
) -> None:
    with opened(tmp_path) as log:
        with pytest.raises(errors.InvalidRecord, match=reason):
            log.append_batches(spoil(batch(1, 0)))
        with pytest.raises(errors.InvalidRecord):
            log.append_batches(b"")
        assert log.end_offset == 0


def test_the_directorys_option_says_when(tmp_path: Path) -> None:
    with logflume.open(tmp_path / "d", producer_id_expiration_ms=200) as log:
        log.create_topic("t")
        partition = log.partition("t", 0)
        partition.append_batches(batch(1, 0, timestamp=NOW))
        time.sleep(0.3)
        assert known(partition) == {}
    with logflume.open(tmp_path / "e") as log:
        log.create_topic("t")
        partition = log.partition("t", 0)
        partition.append_batches(batch(1, 0, timestamp=NOW))
        time.sleep(0.3)
        assert set(known(partition)) == {1}
