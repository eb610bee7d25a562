"""Transactions in partitions: the last stable offset, committed reading, one end for several partitions."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logflume import errors
from logflume._native.consumer_core import Fetcher
from logflume._native.transactions import TransactionPage, complete, reserve
from support.partitions import Handle, as_after_kill, opened, read_all
from support.transactional import batch, marker


def committed(log: Any, start: int | None = None) -> list[bytes]:
    """Values that a read_committed reader gets, a few at a time."""
    reader = log.reader(start, read_committed=True)
    values: list[bytes] = []
    while rows := [bytes(record.value) for record in reader.read(3)]:
        values += rows
    return values


def send(log: Any, producer: int, sequence: int, count: int = 1, **fields: Any) -> int:
    info = log.append_batches(batch(producer, sequence, count, transactional=True, **fields))
    return int(info.base_offset)


def end(log: Any, producer: int, *, commit: bool, epoch: int = 0) -> int:
    [offset] = complete(None, [log], producer_id=producer, producer_epoch=epoch, commit=commit)
    return offset


@pytest.fixture
def page(tmp_path: Path) -> Iterator[TransactionPage]:
    descriptor = os.open(tmp_path / ".lock", os.O_RDWR | os.O_CREAT)
    with_page = TransactionPage(tmp_path / "logflume-transactions.state", descriptor)
    yield with_page
    with_page.close()
    os.close(descriptor)


def test_the_last_stable_offset_is_the_first_of_the_earliest_open_transaction(
    tmp_path: Path,
) -> None:
    with opened(tmp_path) as log:
        log.append(b"0")
        assert log.last_stable_offset == 1
        send(log, 1, 0)  # 1
        log.append(b"2")
        send(log, 2, 0)  # 3
        assert log.last_stable_offset == 1
        assert [(t.producer_id, t.first_offset) for t in log.open_transactions()] == [
            (1, 1),
            (2, 3),
        ]
        assert end(log, 1, commit=True) == 4
        assert log.last_stable_offset == 3
        assert end(log, 1, commit=True) == -1
        assert end(log, 2, commit=False) == 5
        assert log.last_stable_offset == log.end_offset == 6
        assert committed(log) == [b"0", b"1:0", b"2"]
        assert [row.value for row in read_all(log)] == [b"0", b"1:0", b"2", b"2:0"]


def test_outcomes_are_found_across_segments_and_interleavings(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=900) as log:
        for i in range(30):
            send(log, i % 3, i // 3, size=40)
            if i % 7 == 6:
                end(log, i % 3, commit=i % 2 == 0)
        for producer in range(3):
            end(log, producer, commit=producer != 1)
        assert len(log.segments()) > 3
        expected, outcome = [], {}
        batches = []
        reader = log.reader()
        while (found := reader.next_batch()) is not None:
            batches.append(found)
        for found in reversed(batches):
            if found.marker is not None:
                outcome[found.producer_id] = found.marker
            elif outcome[found.producer_id] == "commit":
                expected = [bytes(r.value) for r in found.records] + expected
        assert 5 < len(expected) < 25
        assert committed(log) == expected
        # From anywhere, and after going back.
        reader = log.reader(read_committed=True)
        for start in (17, 3, 25, 0):
            reader.seek(start)
            values = [bytes(r.value) for r in reader.read()]
            assert values == committed(log, start)
        # The index of aborted transactions tells the same.
        aborted = log.aborted(0, log.end_offset)
        kept = [
            bytes(r.value)
            for b in batches
            if b.marker is None
            and not any(
                a.producer_id == b.producer_id and a.first_offset <= b.base_offset <= a.last_offset
                for a in aborted
            )
            for r in b.records
        ]
        assert kept == expected


@pytest.mark.parametrize("damage", ["missing", "short", "wrong"])
@pytest.mark.parametrize("sealed", [False, True])
def test_a_damaged_transaction_index_is_written_anew(
    damage: str, sealed: bool, tmp_path: Path
) -> None:
    with opened(tmp_path) as log:
        for i in range(3):
            send(log, 1, i)
            end(log, 1, commit=False)
        if sealed:
            log.roll()
            log.append(b"x")
        right = log.aborted(0, 100)
        assert len(right) == 3
    path = tmp_path / "t-0" / f"{0:020d}.txnindex"
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "short":
        path.write_bytes(data[:40] if not sealed else data[:34])
    else:
        path.write_bytes(data[:20] + b"\1" + data[21:])
    if not sealed:
        (
            tmp_path / "t-0" / "logflume.state"
        ).unlink()  # an unclean stop: the active segment is scanned
    with opened(tmp_path) as log:
        assert log.aborted(0, 100) == right
        assert committed(log) == ([b"x"] if sealed else [])
    assert path.read_bytes() == data


@pytest.mark.parametrize("how", ["closed", "killed", "no state"])
def test_open_transactions_survive(how: str, tmp_path: Path) -> None:
    handle = Handle(tmp_path / "live")
    log = handle.log
    log.append(b"0")
    send(log, 1, 0)
    log.roll()
    send(log, 2, 0)
    end(log, 2, commit=False)
    where = tmp_path / "live"
    if how == "closed":
        handle.close()
    else:
        where = as_after_kill(where, tmp_path / "copy")
        handle.close()
    if how == "no state":
        (where / "t-0" / "logflume.state").unlink()
    with opened(where) as log:
        assert log.last_stable_offset == 1
        assert committed(log) == [b"0"]
        assert [(t.producer_id, t.epoch, t.first_offset) for t in log.open_transactions()] == [
            (1, 0, 1)
        ]
        send(log, 1, 1)
        end(log, 1, commit=True)
        assert committed(log) == [b"0", b"1:0", b"1:1"]


def test_markers_fence_older_epochs_and_sends_outside_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        send(log, 1, 0, epoch=1)
        with pytest.raises(errors.InvalidTxnState):
            log.append_batches(batch(1, 1, epoch=1))
        with pytest.raises(errors.InvalidProducerEpoch):
            end(log, 1, commit=True, epoch=0)
        assert end(log, 1, commit=False, epoch=2) == 1
        with pytest.raises(errors.InvalidProducerEpoch):
            send(log, 1, 1, epoch=1)
        send(log, 1, 0, epoch=2)
        complete(None, [log], producer_id=1, producer_epoch=2, coordinator_epoch=5, commit=True)
        send(log, 1, 1, epoch=2)
        with pytest.raises(errors.TransactionCoordinatorFenced):
            complete(None, [log], producer_id=1, producer_epoch=2, coordinator_epoch=4, commit=True)
        assert log.end_offset == 5


def test_one_end_for_several_partitions_is_one_moment(
    tmp_path: Path, page: TransactionPage
) -> None:
    handles = [Handle(tmp_path, name=f"t-{i}") for i in range(4)]
    logs = [handle.log for handle in handles]
    stop = threading.Event()
    torn: list[Any] = []

    def read() -> None:
        fetcher = Fetcher()
        fetcher.use_page(page)
        readers = [log.reader(read_committed=True) for log in logs[:3]]
        fetcher.set_readers(readers)
        while True:
            last = stop.is_set()
            fetcher.fetch(100_000, 1 << 30)
            positions = {reader.position for reader in readers}
            if len(positions) != 1:
                torn.append(positions)
            if last:
                return

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for i in range(300):
            for log in logs[:3]:
                send(log, 7, i)
            reserve(logs[:3])
            before = page.sequence
            offsets = complete(page, logs, producer_id=7, producer_epoch=0, commit=i % 3 > 0)
            assert offsets == [2 * i + 1] * 3 + [-1]
            assert page.sequence == before + 2
    finally:
        stop.set()
        thread.join(60)
        for handle in handles:
            handle.close()
    assert not thread.is_alive()
    assert not torn


def test_nothing_ends_when_one_partition_cannot(tmp_path: Path, page: TransactionPage) -> None:
    handles = [Handle(tmp_path, name=f"t-{i}") for i in range(3)]
    try:
        for handle in handles:
            send(handle.log, 1, 0)
        send(handles[1].log, 1, 0, epoch=3)  # somebody newer has it there
        ends = [handle.log.end_offset for handle in handles]
        sizes = [handle.path.joinpath(f"{0:020d}.log").stat().st_size for handle in handles]
        with pytest.raises(errors.InvalidProducerEpoch) as raised:
            complete(page, [h.log for h in handles], producer_id=1, producer_epoch=0, commit=False)
        assert raised.value.partition == 1
        assert [handle.log.end_offset for handle in handles] == ends
        assert [handle.path.joinpath(f"{0:020d}.log").stat().st_size for handle in handles] == sizes
        assert all(len(handle.log.open_transactions()) == 1 for handle in handles)
        assert page.sequence % 2 == 0
        with pytest.raises(errors.InvalidTxnState, match="twice"):
            complete(page, [handles[0].log] * 2, producer_id=1, producer_epoch=0, commit=True)
    finally:
        for handle in handles:
            handle.close()


def test_waiting_for_committed_records_ends_with_the_marker(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        send(log, 1, 0)
        assert log.wait(0 - 1, 0, read_committed=False)
        assert not log.wait(0, 0.05, read_committed=True)
        timer = threading.Timer(0.1, end, (log, 1), {"commit": True})
        timer.start()
        begin = time.monotonic()
        assert log.wait(0, 60, read_committed=True)
        assert time.monotonic() - begin < 30
        timer.join()


def test_the_pages_lock_tells_of_a_dead_owner(tmp_path: Path, page: TransactionPage) -> None:
    assert page.lock() is False
    with pytest.raises(errors.ConcurrentAccess):
        page.lock()
    page.unlock()
    with pytest.raises(errors.ConcurrentAccess):
        page.unlock()
    child = os.fork()
    if child == 0:
        page.lock()
        os._exit(0)  # with the lock
    os.waitpid(child, 0)
    assert page.lock(5) is True
    page.unlock()
    assert page.lock() is True  # until somebody says that it is settled
    page.settled()
    page.unlock()
    assert page.lock() is False
    page.unlock()


def test_only_the_first_opener_recovers(tmp_path: Path) -> None:
    path = tmp_path / "page"
    calls: list[int] = []
    first, second = (os.open(tmp_path / ".lock", os.O_RDWR | os.O_CREAT) for _ in range(2))

    def fails() -> None:
        raise ValueError("not yet")

    with pytest.raises(ValueError, match="not yet"):
        TransactionPage(path, first, recover=fails)
    one = TransactionPage(path, first, recover=lambda: calls.append(1))
    two = TransactionPage(path, second, recover=lambda: calls.append(2))
    assert calls == [1]
    one.close()
    two.close()
    two.close()
    with pytest.raises(errors.Closed):
        two.lock()
    three = TransactionPage(path, second, recover=lambda: calls.append(3))
    three.close()
    assert calls == [1, 3]
    os.close(first)
    os.close(second)


def test_batches_come_back_at_their_offsets(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append(b"0")
        data = batch(1, 0, 2, transactional=True) + marker(1, commit=True)
        info = log.append_at(data, 10)
        assert (info.base_offset, info.last_offset, info.duplicate) == (10, 12, False)
        assert log.append_at(data, 10).duplicate
        more = log.append_at(data + batch(1, 2, transactional=True), 10)
        assert (more.last_offset, log.end_offset) == (13, 14)
        assert log.last_stable_offset == 13
        assert [row.offset for row in read_all(log)] == [0, 10, 11, 13]
        assert log.read(5).offset == 10
        with pytest.raises(errors.CorruptRecord):
            log.append_at(batch(1, 0, 3), 12)
        far = 14 + 3 * 2**31
        log.append_at(batch(3, 0), far)
        assert log.end_offset == far + 1
        rows = read_all(log)
    with opened(tmp_path) as log:
        assert log.recovery.clean
        assert read_all(log) == rows
        assert log.read(far).offset == far
