"""A partition against a list: any sequence of calls, on two handles, with rolls, retention, reopening and kills."""

from __future__ import annotations

import itertools
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from logflume import errors
from model import batch_twin
from support.partitions import Handle, Row, as_after_kill, read_all, row_of, rows_of

BASE_TIME = 1_700_000_000_000

payloads = st.one_of(
    st.none(),
    st.binary(max_size=40),
    st.integers(0, 3000),  # so many equal bytes
    st.tuples(
        st.integers(1, 1500), st.integers(0, 99)
    ),  # so many bytes that do not compress, and a seed
)
headers = st.one_of(
    st.just(()),
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8"), max_size=6), st.none() | st.binary(max_size=9)
        ),
        max_size=3,
    ).map(tuple),
)
stamps = st.one_of(st.integers(0, 100).map(lambda n: BASE_TIME + n), st.integers(0, 2**40))
keys = st.none() | st.binary(max_size=20) | st.integers(0, 800)
records = st.tuples(payloads, keys, headers, stamps)


def payload_of(spec: Any) -> bytes | None:
    if isinstance(spec, tuple):
        return random.Random(spec[1]).randbytes(spec[0])
    return b"x" * spec if isinstance(spec, int) else spec


def record_of(spec: tuple[Any, ...]) -> tuple[Any, ...]:
    """(value, key, headers, timestamp) of what the strategy drew, which prints shorter."""
    return payload_of(spec[0]), payload_of(spec[1]), spec[2], spec[3]


class PartitionModel(RuleBasedStateMachine):
    """`rows` is the whole truth: every record ever appended, by its offset."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="logflume-model-"))
        self.directory = self.root / "0"
        self.copies = 0
        self.rows: list[Row] = []
        self.start = 0
        self.handles: list[Handle] = []
        self.readers: list[Any] = []

    @initialize(
        codec=st.integers(0, 4),
        segment_bytes=st.sampled_from([4096, 6000, 16384, 65536]),
        index_interval_bytes=st.sampled_from([0, 100, 4096]),
        segment_index_bytes=st.sampled_from([96, 10 << 20]),
        append_time=st.booleans(),
    )
    def begin(self, **config: Any) -> None:
        config["compression"] = config.pop("codec")
        self.config = config
        self.open()

    def open(self) -> None:
        handle = Handle(self.directory, **self.config)
        self.handles.append(handle)
        self.readers.append(None)

    def teardown(self) -> None:
        for handle in self.handles:
            handle.close()
        shutil.rmtree(self.root)

    @property
    def end(self) -> int:
        return len(self.rows)

    def pick(self, data: st.DataObject) -> int:
        return (
            data.draw(st.integers(0, len(self.handles) - 1), "handle")
            if len(self.handles) > 1
            else 0
        )

    def log(self, data: st.DataObject) -> Any:
        return self.handles[self.pick(data)].log

    def took(self, log: Any, first: int, items: list[tuple[Any, ...]], before: int) -> None:
        """Checks the offset that an append returned and remembers what was appended."""
        assert first == self.end
        after = time.time_ns() // 1_000_000
        for i, (value, key, heads, stamp) in enumerate(items):
            if self.config["append_time"]:
                stamp = log.read(first + i).timestamp
                assert before <= stamp <= after
            self.rows.append(Row(first + i, stamp, key, value, heads))
        assert log.end_offset == self.end

    # Writing

    @rule(data=st.data(), record=records)
    def append(self, data: st.DataObject, record: tuple[Any, ...]) -> None:
        log, before = self.log(data), time.time_ns() // 1_000_000
        value, key, heads, stamp = record = record_of(record)
        offset = log.append(value, key, heads or None, stamp)
        self.took(log, offset, [record], before)

    @rule(
        data=st.data(),
        items=st.lists(records, min_size=1, max_size=12),
        times=st.integers(1, 8),
        plain=st.booleans(),
    )
    def append_many(
        self, data: st.DataObject, items: list[tuple[Any, ...]], times: int, plain: bool
    ) -> None:
        log, before = self.log(data), time.time_ns() // 1_000_000
        items = [record_of(item) for item in items]
        if plain:
            items = [(value or b"", key, (), stamp) for value, key, _, stamp in items]
        items = items * times
        values, keys, heads, when = (list(column) for column in zip(*items))
        first = log.append_many(
            values, keys=keys, headers=None if plain else heads, timestamps=when
        )
        self.took(log, first, items, before)

    @rule(
        data=st.data(),
        batches=st.lists(st.lists(records, min_size=1, max_size=2), min_size=1, max_size=3),
    )
    def append_raw(self, data: st.DataObject, batches: list[list[tuple[Any, ...]]]) -> None:
        log, before = self.log(data), time.time_ns() // 1_000_000
        # Half the payloads' bound, so that two records fit the smallest segment.
        batches = [
            [(v and v[:900], k and k[:900], h, t) for v, k, h, t in map(record_of, batch)]
            for batch in batches
        ]
        encoded = b""
        for batch in batches:
            rows = [
                batch_twin.Record(v, k, t, tuple((n.encode(), x) for n, x in h))
                for v, k, h, t in batch
            ]
            encoded += batch_twin.encode_batch(
                rows, base_offset=7, codec=self.config["compression"]
            )
        first = log.append_raw(encoded)
        self.took(log, first, [item for batch in batches for item in batch], before)

    @rule(data=st.data())
    def roll(self, data: st.DataObject) -> None:
        self.log(data).roll()

    @rule(data=st.data())
    def sync(self, data: st.DataObject) -> None:
        log = self.log(data)
        log.sync()
        assert log.durable_offset == self.end

    # Retention

    @rule(data=st.data())
    def set_start(self, data: st.DataObject) -> None:
        offset = data.draw(st.integers(0, self.end), "offset")
        self.log(data).set_start_offset(offset)
        self.start = max(self.start, offset)

    @rule(data=st.data())
    def delete_old_segments(self, data: st.DataObject) -> None:
        log = self.log(data)
        before = log.segments()
        removed, _ = log.delete_old_segments()
        keep = [segment for segment in before[:-1] if segment.end_offset > self.start] + before[-1:]
        assert removed == len(before) - len(keep)
        assert [segment.base_offset for segment in log.segments()] == [
            segment.base_offset for segment in keep
        ]

    @rule(
        data=st.data(),
        size=st.none() | st.integers(0, 70_000),
        age=st.none() | st.integers(-10, 110),
    )
    def expire(self, data: st.DataObject, size: int | None, age: int | None) -> None:
        log = self.log(data)
        before = log.segments()
        # Kafka's rules: old segments from the front, the active one too; by size only sealed ones.
        total, gone, now = sum(segment.size for segment in before), 0, BASE_TIME + 100
        for i, segment in enumerate(before):
            active = i == len(before) - 1
            if active and not segment.size:
                break
            old = age is not None and age >= 0 and now - segment.max_timestamp > age
            big = size is not None and not active and total - segment.size >= size
            if not old and not big:
                break
            total -= segment.size
            gone += 1
        removed, _ = log.expire(now, -1 if age is None else age, -1 if size is None else size)
        assert removed == gone
        if gone:
            self.start = max(
                self.start, before[gone].base_offset if gone < len(before) else self.end
            )

    # Opening and closing

    @precondition(lambda self: len(self.handles) < 3)
    @rule()
    def open_another(self) -> None:
        self.open()

    @rule(data=st.data())
    def close_one(self, data: st.DataObject) -> None:
        i = self.pick(data)
        self.handles.pop(i).close()
        self.readers.pop(i)
        if not self.handles:
            self.open()
            assert self.handles[0].log.recovery.clean

    @rule()
    def kill_all(self) -> None:
        """The directory as it is now is opened as if all processes had died."""
        self.copies += 1
        copy = as_after_kill(self.directory, self.root / str(self.copies))
        for handle in self.handles:
            handle.close()
        self.handles, self.readers, self.directory = [], [], copy
        self.open()
        assert not self.handles[0].log.recovery.clean
        assert not self.handles[0].log.recovery.cuts

    # Reading

    @precondition(lambda self: self.end > self.start)
    @rule(data=st.data())
    def read_one(self, data: st.DataObject) -> None:
        offset = data.draw(st.integers(self.start, self.end - 1), "offset")
        assert row_of(self.log(data).read(offset)) == self.rows[offset]

    @rule(data=st.data(), beyond=st.integers(0, 3))
    def read_outside(self, data: st.DataObject, beyond: int) -> None:
        log = self.log(data)
        for offset in (self.end + beyond, self.start - 1 - beyond):
            with pytest.raises(errors.OffsetOutOfRange) as caught:
                log.read(offset)
            assert (caught.value.start_offset, caught.value.end_offset) == (self.start, self.end)
        for offset in (self.end + 1 + beyond, self.start - 1 - beyond):
            with pytest.raises(errors.OffsetOutOfRange):
                log.read_batch(offset)
            with pytest.raises(errors.OffsetOutOfRange):
                log.reader(offset).read()
        assert len(log.read_batch(self.end)) == 0

    @rule(
        data=st.data(), max_records=st.integers(1, 40), max_bytes=st.sampled_from([1, 500, 1 << 20])
    )
    def read_batch(self, data: st.DataObject, max_records: int, max_bytes: int) -> None:
        offset = data.draw(st.integers(self.start, self.end), "offset")
        rows = rows_of(self.log(data).read_batch(offset, max_records, max_bytes))
        assert len(rows) <= max_records
        assert bool(rows) == (offset < self.end)
        assert rows == self.rows[offset : offset + len(rows)]
        if max_bytes == 1 << 20:
            assert len(rows) == min(max_records, self.end - offset)

    @rule(data=st.data(), max_records=st.integers(1, 7), seek=st.booleans())
    def read_on(self, data: st.DataObject, max_records: int, seek: bool) -> None:
        """A reader that lives on through appends, rolls and deletions, and reads parts of batches."""
        i = self.pick(data)
        if self.readers[i] is None:
            self.readers[i] = self.handles[i].log.reader()
        reader = self.readers[i]
        if seek:
            reader.seek(data.draw(st.integers(self.start, self.end), "offset"))
        position = reader.position
        try:
            rows = rows_of(reader.read(max_records))
        except errors.OffsetOutOfRange:
            assert position < self.start
            self.readers[i] = None
            return
        assert rows == self.rows[position : position + len(rows)]
        if position >= self.start:  # below, it may go on to the end of the batch that it stands in
            assert len(rows) == min(max_records, self.end - position)
        assert reader.position == position + len(rows)

    @precondition(lambda self: self.end > self.start)
    @rule(data=st.data())
    def lookup(self, data: st.DataObject) -> None:
        offsets = data.draw(st.lists(st.integers(self.start, self.end - 1), max_size=9), "offsets")
        assert rows_of(self.log(data).lookup(offsets)) == [self.rows[offset] for offset in offsets]

    @rule(data=st.data(), near=st.booleans(), shift=st.integers(-2, 2))
    def offset_for_time(self, data: st.DataObject, near: bool, shift: int) -> None:
        if near and self.end > self.start:
            row = data.draw(st.integers(self.start, self.end - 1), "row")
            when = self.rows[row].timestamp + shift
        else:
            when = BASE_TIME + shift * 50
        later = (row.offset for row in self.rows[self.start :] if row.timestamp >= when)
        assert self.log(data).offset_for_time(when) == next(later, None)

    @rule(data=st.data())
    def read_everything(self, data: st.DataObject) -> None:
        assert read_all(self.log(data)) == self.rows[self.start :]

    @invariant()
    def all_agree(self) -> None:
        for handle in self.handles:
            log = handle.log
            assert (log.start_offset, log.end_offset) == (self.start, self.end)
            assert 0 <= log.durable_offset <= self.end

    @invariant()
    def segments_tile_the_log(self) -> None:
        for handle in self.handles:
            segments = handle.log.segments()
            assert segments[0].base_offset <= self.start
            assert segments[-1].end_offset == self.end
            assert [segment.sealed for segment in segments] == [True] * (len(segments) - 1) + [
                False
            ]
            for segment, following in itertools.pairwise(segments):
                assert segment.end_offset == following.base_offset
            for segment in segments:
                rows = self.rows[segment.base_offset : segment.end_offset]
                assert segment.max_timestamp == max((row.timestamp for row in rows), default=-1)
                assert segment.size <= self.config["segment_bytes"]


PartitionModel.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)
TestPartitionModel = PartitionModel.TestCase
