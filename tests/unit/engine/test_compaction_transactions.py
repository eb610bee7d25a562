"""Transactions and producers under compaction: batches as a Kafka's producers and coordinator write them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from model import batch_twin
from model.batch_twin import CONTROL_ABORT, CONTROL_COMMIT, Record
from support.cleaning import NOW, batches_of, compact
from support.partitions import opened, read_all

DAY = 86_400_000


class Producer:
    """Writes batches of one producer id."""

    def __init__(
        self, log: Any, number: int, *, epoch: int = 0, transactional: bool = True
    ) -> None:
        self.log = log
        self.fields = {"producer_id": number, "producer_epoch": epoch}
        self.transactional = transactional
        self.sequence = 0

    def send(self, *pairs: tuple[bytes, bytes | None], timestamp: int = NOW, codec: int = 0) -> int:
        records = [Record(key=key, value=value, timestamp=timestamp) for key, value in pairs]
        data = batch_twin.encode_batch(
            records,
            transactional=self.transactional,
            base_sequence=self.sequence,
            codec=codec,
            **self.fields,
        )
        self.sequence += len(pairs)
        return int(self.log.append_raw(data))

    def end(self, kind: int, timestamp: int = NOW) -> int:
        data = batch_twin.encode_control_batch(kind, timestamp=timestamp, **self.fields)
        return int(self.log.append_raw(data))


def shape(log: Any) -> list[tuple[int, int, int, str]]:
    """Of each batch: base offset, last offset, count, and what it is."""
    return [
        (b.base_offset, b.last_offset, len(b.records), "marker" if b.control else "data")
        for b in batches_of(log.path, sealed=True)
    ]


def test_aborted_records_go_at_once_and_count_for_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        plain = Producer(log, 7, transactional=False)
        one = Producer(log, 1)
        plain.send((b"a", b"old"), (b"b", b"stays"), timestamp=0)
        one.send((b"a", b"aborted"), (b"c", b"aborted"))
        one.end(CONTROL_ABORT)
        one.send((b"c", b"committed"))
        one.end(CONTROL_COMMIT)
        log.roll()
        compact(log)
        rows = {row.key: row.value for row in read_all(log)}
        assert rows == {b"a": b"old", b"b": b"stays", b"c": b"committed"}
        data, marker = "data", "marker"
        assert shape(log) == [
            (0, 1, 2, data),
            (4, 4, 1, marker),
            (5, 5, 1, data),
            (6, 6, 1, marker),
        ]


def test_markers_stay_while_records_do_and_then_for_delete_retention_ms(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        one, two = Producer(log, 1), Producer(log, 2)
        two.send((b"a", b"aborted"))
        one.send((b"a", b"1"), (b"b", b"1"))
        one.end(CONTROL_COMMIT)
        two.end(CONTROL_ABORT)
        log.roll()
        for key in (b"a", b"b"):
            Producer(log, 3, transactional=False).send((key, b"new"))
        log.roll()
        late = NOW + 10 * DAY  # the producers are forgotten by then
        compact(log, now=late, retention=DAY)
        # Both transactions have lost their records in this pass; the markers still have seen them.
        assert shape(log)[:2] == [(3, 3, 1, "marker"), (4, 4, 1, "marker")]
        assert not any(b.attributes & batch_twin.DELETE_HORIZON for b in batches_of(log.path))
        compact(log, now=late, retention=DAY)
        markers = [b for b in batches_of(log.path) if b.control]
        assert [b.base_timestamp for b in markers] == [late + DAY] * 2
        assert [b.records[0].timestamp for b in markers] == [NOW] * 2
        compact(log, now=late + DAY - 1, retention=DAY)
        assert len(shape(log)) == 4
        compact(log, now=late + DAY, retention=DAY)
        assert [kind for *_, kind in shape(log)] == ["data", "data"]
        assert {row.key: row.value for row in read_all(log)} == {b"a": b"new", b"b": b"new"}


def test_nothing_behind_an_open_transaction_is_touched(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        plain, one = Producer(log, 7, transactional=False), Producer(log, 1)
        plain.send((b"a", b"1"))
        plain.send((b"a", b"2"))
        log.roll()
        plain.send((b"a", b"3"))
        open_at = one.send((b"a", b"open"))
        log.roll()
        plain.send((b"a", b"4"))
        log.roll()
        passes = compact(log)
        assert passes[-1].uncleanable == 2  # the segment of the open transaction, and all behind it
        assert [row.value for row in read_all(log)] == [b"2", b"3", b"open", b"4"]
        one.end(CONTROL_ABORT)
        compact(log)
        assert open_at not in [row.offset for row in read_all(log)]
        assert [row.value for row in read_all(log)] == [b"4"]


@pytest.mark.parametrize("codec", [0, 3])
def test_the_last_batch_of_a_producer_stays_without_its_records(codec: int, tmp_path: Path) -> None:
    """It tells the next sequence number; once the producer is forgotten (a day), it goes too."""
    with opened(tmp_path) as log:
        one = Producer(log, 1, epoch=3, transactional=False)
        two = Producer(log, 2, transactional=False)
        one.send((b"a", b"1"), codec=codec)
        one.send((b"a", b"2"), (b"b", b"2"), codec=codec)
        two.send((b"a", b"3"), (b"b", b"3"))
        log.roll()
        compact(log, now=NOW + DAY - 1)
        assert shape(log) == [(1, 2, 0, "data"), (3, 4, 2, "data")]
        empty = batches_of(log.path)[0]
        assert (empty.producer_id, empty.producer_epoch, empty.base_sequence) == (1, 3, 1)
        assert (empty.max_timestamp, empty.codec) == (NOW, 0)
        compact(log, now=NOW + DAY)
        assert shape(log) == [(3, 4, 2, "data")]
        assert [row.offset for row in read_all(log)] == [3, 4]


def test_an_empty_batch_of_a_transaction_keeps_its_marker(tmp_path: Path) -> None:
    """Without it the transaction would look open, and everything behind it wait for ever."""
    with opened(tmp_path) as log:
        one = Producer(log, 1)
        one.send((b"a", b"1"))
        one.end(CONTROL_COMMIT)
        Producer(log, 2, transactional=False).send((b"a", b"2"))
        log.roll()
        for now in (NOW, NOW + 1, NOW + 2):
            compact(log, now=now, retention=0)
            assert shape(log) == [(0, 0, 0, "data"), (1, 1, 1, "marker"), (2, 2, 1, "data")]
        log.append(b"x", key=b"y")
        log.roll()
        assert compact(log)[-1].uncleanable == log.end_offset


def index_entries(log: Any) -> list[tuple[int, ...]]:
    data = b"".join(p.read_bytes() for p in sorted(Path(log.path).glob("*.txnindex")))
    return list(struct.iter_unpack(">hqqqq", data))


def test_the_transaction_index_names_aborted_transactions_that_have_batches(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        one, two = Producer(log, 1), Producer(log, 2)
        one.send((b"a", b"1"))  # 0
        two.send((b"b", b"1"))  # 1
        one.end(CONTROL_ABORT)  # 2: two is open since 1
        one.send((b"a", b"2"))  # 3
        one.end(CONTROL_ABORT)  # 4
        two.end(CONTROL_ABORT)  # 5
        log.roll()
        compact(log)
        assert index_entries(log) == [(0, 1, 0, 2, 1), (0, 1, 3, 4, 1), (0, 2, 1, 5, 6)]
        # What is left are the last batches of the producers, empty, so that the entries still say something.
        compact(log)
        assert index_entries(log) == [(0, 1, 3, 4, 1), (0, 2, 1, 5, 6)]
        compact(log, now=NOW + 2 * DAY)
        compact(log, now=NOW + 2 * DAY)
        assert index_entries(log) == []
        assert not list(Path(log.path).glob("*.txnindex"))
