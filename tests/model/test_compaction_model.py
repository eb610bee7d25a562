"""Compaction against a list and a dict: any puts, deletions, rolls, passes, reopenings and kills, on two handles."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from model import batch_twin
from support.cleaning import NOW, batches_of, compact
from support.partitions import Handle, Row, as_after_kill, read_all, rows_of

KEYS = [b"", b"a", b"b", b"c", b"key-" * 10, b"key-" * 80, *(b"%d" % i for i in range(12))]

values = st.none() | st.integers(0, 120) | st.binary(max_size=12)
records = st.tuples(st.integers(0, len(KEYS)), values, st.integers(0, 50))


class CompactionModel(RuleBasedStateMachine):
    """`rows` is every record ever put; `gone` are offsets that compaction took; `horizons` those of batches."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="logflume-compaction-"))
        self.directory = self.root / "0"
        self.copies = 0
        self.rows: list[Row] = []
        self.batch_of: list[int] = []  # of each record: the base offset of its batch
        self.gone: set[int] = set()
        self.horizons: dict[int, int] = {}
        self.clean = 0
        self.start = 0
        self.now = NOW
        self.handles: list[Handle] = []
        self.readers: list[Any] = []

    @initialize(
        codec=st.integers(0, 4),
        segment_bytes=st.sampled_from([4096, 6000, 20_000]),
        index_interval_bytes=st.sampled_from([0, 300, 4096]),
        append_time=st.booleans(),
    )
    def begin(self, **config: Any) -> None:
        config["compression"] = config.pop("codec")
        self.config = config
        self.open()

    def open(self) -> None:
        self.handles.append(Handle(self.directory, **self.config))
        self.readers.append(None)

    def teardown(self) -> None:
        for handle in self.handles:
            handle.close()
        shutil.rmtree(self.root)

    def log(self, data: st.DataObject) -> Any:
        return self.handles[data.draw(st.integers(0, len(self.handles) - 1), "handle")].log

    def present(self) -> list[Row]:
        return [r for r in self.rows[self.start :] if r.offset not in self.gone]

    # ---- what is done

    @rule(data=st.data(), specs=st.lists(records, min_size=1, max_size=8))
    def put(self, data: st.DataObject, specs: list[Any]) -> None:
        log = self.log(data)
        keys = [KEYS[k] if k < len(KEYS) else None for k, _, _ in specs]
        contents = [random.Random(v).randbytes(v) if isinstance(v, int) else v for _, v, _ in specs]
        stamps = [1000 + t for _, _, t in specs]
        base = len(self.rows)
        assert log.append_many(contents, keys=keys, timestamps=stamps) == base
        if self.config["append_time"]:
            stamps = [row.timestamp for row in read_all(log, base)]
        for i, row in enumerate(zip(stamps, keys, contents)):
            self.rows.append(Row(base + i, *row))
            self.batch_of.append(base)

    @rule(data=st.data())
    def roll(self, data: st.DataObject) -> None:
        self.log(data).roll()

    @rule(
        data=st.data(),
        slots=st.sampled_from([2, 3, 8, 1000]),
        retention=st.sampled_from([0, 1000, 100_000]),
        part=st.booleans(),
    )
    def compact(self, data: st.DataObject, slots: int, retention: int, part: bool) -> None:
        log = self.log(data)
        limit = log.segments()[-1].base_offset
        if part:
            limit = data.draw(st.sampled_from([s.base_offset for s in log.segments()]), "until")
        first_dirty = max(self.clean, self.start)
        if limit < first_dirty:
            return
        span = {"first_dirty": first_dirty, "uncleanable": limit}
        for done in compact(log, now=self.now, retention=retention, map_bytes=24 * slots, **span):
            self.after_pass(first_dirty, done.next_dirty, done.uncleanable, retention)
            first_dirty = done.next_dirty
        assert done.uncleanable == limit
        self.clean = max(self.clean, limit)

    def after_pass(self, first_dirty: int, upto: int, limit: int, retention: int) -> None:
        """The rules, one record after the other. Batches are whole: nobody else's record is in one."""
        latest: dict[bytes | None, int] = {}
        for row in self.rows[:limit]:
            # What goes beyond `upto` is known only as far as the map got, which is no more than `upto`.
            if row.offset < upto and row.offset >= first_dirty:
                latest[row.key] = row.offset
        due = {base for base, horizon in self.horizons.items() if horizon <= self.now}
        begun = [base for base in dict.fromkeys(self.batch_of) if base < upto]
        for row in self.rows[:upto]:
            over = row.value is None and self.batch_of[row.offset] in due
            if row.key is None or row.offset < latest.get(row.key, -1) or over:
                self.gone.add(row.offset)
        for base in begun:
            tombstones = [
                r for r in self.rows[base:] if self.batch_of[r.offset] == base
                and r.value is None and r.offset not in self.gone
            ]  # fmt: skip
            if tombstones and base not in self.horizons:
                self.horizons[base] = self.now + retention

    @rule(by=st.integers(1, 120_000))
    def time_passes(self, by: int) -> None:
        self.now += by

    @precondition(lambda self: len(self.handles) < 3)
    @rule()
    def open_another(self) -> None:
        self.open()

    @rule(data=st.data(), last=st.booleans())
    def reopen(self, data: st.DataObject, last: bool) -> None:
        i = data.draw(st.integers(0, len(self.handles) - 1), "which")
        if last:
            while self.handles:
                self.handles.pop().close()
            self.readers = []
        else:
            self.handles.pop(i).close()
            self.readers.pop(i)
        if not self.handles:
            self.open()

    @rule()
    def kill_all(self) -> None:
        self.copies += 1
        copy = as_after_kill(self.directory, self.root / str(self.copies))
        for handle in self.handles:
            handle.close()
        self.handles, self.readers = [], []
        self.directory = copy
        self.open()

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def delete_records(self, data: st.DataObject) -> None:
        log = self.log(data)
        self.start = data.draw(st.integers(self.start, len(self.rows)), "start")
        log.set_start_offset(self.start)
        log.delete_old_segments()

    # ---- what is seen

    @rule(data=st.data(), max_records=st.integers(1, 9))
    def read_on(self, data: st.DataObject, max_records: int) -> None:
        """A reader that lives through all of it may see what went meanwhile, and misses nothing that is there."""
        i = data.draw(st.integers(0, len(self.handles) - 1), "which")
        if self.readers[i] is None or self.readers[i].position < self.start:
            self.readers[i] = self.handles[i].log.reader(self.start)
        reader = self.readers[i]
        position = reader.position
        rows = rows_of(reader.read(max_records))
        offsets = [row.offset for row in rows]
        assert rows == [self.rows[offset] for offset in offsets]
        assert offsets == sorted(set(offsets))
        there = [r.offset for r in self.present() if position <= r.offset < reader.position]
        assert set(there) <= set(offsets)
        if not rows:
            assert not [r for r in self.present() if r.offset >= position]

    @precondition(lambda self: self.start < len(self.rows))
    @rule(data=st.data())
    def read_one(self, data: st.DataObject) -> None:
        offset = data.draw(st.integers(self.start, len(self.rows) - 1), "offset")
        following = [row for row in self.present() if row.offset >= offset]
        log = self.log(data)
        if following:
            assert log.read(offset).offset == following[0].offset
        assert rows_of(log.read_batch(offset, 5)) == following[:5]

    @rule(data=st.data())
    def find_by_time(self, data: st.DataObject) -> None:
        when = data.draw(st.integers(990, 1060), "when")
        found = (row.offset for row in self.present() if row.timestamp >= when)
        assert self.log(data).offset_for_time(when) == next(found, None)

    @invariant()
    def all_agree(self) -> None:
        for handle in self.handles:
            assert (handle.log.start_offset, handle.log.end_offset) == (self.start, len(self.rows))
            assert read_all(handle.log) == self.present()

    @invariant()
    def files_are_whole(self) -> None:
        """The twin takes the files apart without complaint; horizons are those of the rules."""
        path = self.directory / "t-0"
        if not self.handles:
            return
        assert not [p.name for p in path.iterdir() if p.suffix in (".cleaned", ".swap")]
        for batch in batches_of(path, sealed=True):
            if batch.attributes & batch_twin.DELETE_HORIZON:
                assert batch.base_timestamp == self.horizons[batch.base_offset]


CompactionModel.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)
TestCompactionModel = CompactionModel.TestCase
