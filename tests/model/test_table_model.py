"""Tables against a dict: any writes by anybody, restarts, lost and damaged checkpoints, compaction, deletions.

Compaction is the engine's, with the tables open, or a twin's, with the log closed.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import logflume
from logflume._native.hashing import murmur2
from support.compacting import compact_closed

PARTITIONS = 2
INLINE_MAX = 8
keys = st.integers(0, 12).map(lambda n: b"%d" % n)
values = st.binary(max_size=6) | st.integers(9, 40).map(lambda n: b"v" * n)
rows = st.lists(st.tuples(keys, st.none() | values), max_size=12)


def home(key: bytes) -> int:
    return (murmur2(key) & 0x7FFFFFFF) % PARTITIONS


class TableModel(RuleBasedStateMachine):
    """`log_of[p]` is what partition p holds: (offset, key, value) of each record from its start on."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="logflume-table-"))
        self.ends = [0] * PARTITIONS
        self.log_of: list[list[tuple[int, bytes, bytes | None]]] = [[] for _ in range(PARTITIONS)]
        self.mirror: dict[bytes, bytes] = {}

    @initialize(
        codec=st.sampled_from(["none", "lz4"]),
        follow=st.sampled_from(["read", "manual"]),
        tombstones_ms=st.sampled_from([0, 86_400_000]),
    )
    def begin(self, codec: str, follow: str, tombstones_ms: int) -> None:
        self.follow = follow
        config = {
            "cleanup.policy": "compact",
            "segment.bytes": 1024,
            "delete.retention.ms": tombstones_ms,
            "compression.type": "uncompressed" if codec == "none" else codec,
        }
        self.log = logflume.open(self.root / "data")
        self.log.create_topic("t", partitions=PARTITIONS, config=config)
        self.open_tables()

    def open_tables(self) -> None:
        self.table = self.log.table("t", follow=self.follow, inline_bytes_max=INLINE_MAX, acks=1)
        self.other = self.log.table("t", follow="read", checkpoint=False, acks=1)
        self.writer = self.log.producer(acks=1)
        # Callbacks alone must be enough to keep a copy.
        self.mirror = dict(self.table.items())
        self.table.on_change(self.announced)

    def announced(self, key: bytes, old: bytes | None, new: bytes | None) -> None:
        before = self.mirror.get(key)
        # `old` may be gone from the log, where it is long.
        assert old == before or (old is None and before is not None and len(before) > INLINE_MAX)
        if new is None:
            del self.mirror[key]
        else:
            self.mirror[key] = new

    def wrote(self, key: bytes, value: bytes | None) -> None:
        number = home(key)
        self.log_of[number].append((self.ends[number], key, value))
        self.ends[number] += 1

    def settle(self) -> None:
        """Own writes of both tables get their place in the log before the next writer's."""
        self.table.flush()
        self.other.flush()

    @rule(rows=rows)
    def put(self, rows) -> None:
        for key, value in rows:
            if value is None:
                self.table.delete(key)
            else:
                self.table.put(key, value)
            self.wrote(key, value)
            assert self.table.get(key) == value
        self.settle()

    @rule(rows=rows)
    def put_by_other(self, rows) -> None:
        for key, value in rows:
            if value is None:
                self.other.delete(key)
            else:
                self.other.put(key, value)
            self.wrote(key, value)
        self.settle()

    @rule(rows=rows)
    def send_many(self, rows) -> None:
        self.writer.send_many("t", [v for _, v in rows], [k for k, _ in rows])
        for key, value in rows:
            self.wrote(key, value)

    @rule(number=st.integers(0, PARTITIONS - 1))
    def without_key(self, number: int) -> None:
        """As from before the topic was compacted: a compacted topic takes none."""
        self.log.alter_topic("t", config={"cleanup.policy": "delete"})
        self.log.partition("t", number).append(b"no key")
        self.log.alter_topic("t", config={"cleanup.policy": "compact"})
        self.ends[number] += 1

    @rule()
    def checkpoint(self) -> None:
        self.table.checkpoint()

    @rule(roll=st.booleans())
    def compact(self, roll: bool) -> None:
        self.writer.flush()
        for number in range(PARTITIONS):
            if roll:
                self.log.partition("t", number).roll()
        self.log.compact("t", force=True)

    @rule(number=st.integers(0, PARTITIONS - 1), part=st.floats(0, 1))
    def delete_records(self, number: int, part: float) -> None:
        partition = self.log.partition("t", number)
        start = partition.start_offset
        before = start + int((self.ends[number] - start) * part)
        self.log.delete_records({("t", number): before})
        self.log_of[number] = [row for row in self.log_of[number] if row[0] >= before]
        self.other.refresh()

    @rule(
        compacted=st.sampled_from(["no", "yes", "tombstones too"]),
        damage=st.sampled_from(["none", "none", "lost", "flipped"]),
        seed=st.integers(0, 2**16),
        unclean=st.booleans(),
    )
    def restart(self, compacted: str, damage: str, seed: int, unclean: bool) -> None:
        if unclean:  # as kill -9 would leave it
            self.writer.flush()
            shutil.copytree(self.root / "data", self.root / "copy")
        self.log.close()
        if unclean:
            shutil.rmtree(self.root / "data")
            (self.root / "copy").rename(self.root / "data")
        for number in range(PARTITIONS):
            directory = self.root / "data" / f"t-{number}"
            path = directory / "logflume.table"
            if damage == "lost" or compacted == "tombstones too":
                # Tombstones go after a day only, and older checkpoints are not believed then: the clock's job,
                # which has a test of its own.
                path.unlink(missing_ok=True)
            elif damage == "flipped" and path.exists():
                data = bytearray(path.read_bytes())
                data[random.Random(seed).randrange(len(data))] ^= 1
                path.write_bytes(data)
            if compacted != "no" and not unclean and self.whole(number):
                compact_closed(directory, keep_tombstones=compacted == "yes")
        self.log = logflume.open(self.root / "data")
        self.open_tables()

    def whole(self, number: int) -> bool:
        """Whether nothing was deleted from the front: the twin of compaction knows no log start."""
        return self.log_of[number][:1] == [] or min(self.log_of[number])[0] == 0

    @invariant()
    def tables_show_the_fold_of_the_log(self) -> None:
        if not hasattr(self, "log"):
            return
        wanted: dict[bytes, bytes] = {}
        for records in self.log_of:
            for _, key, value in records:
                wanted.pop(key, None)
                if value is not None:
                    wanted[key] = value
        self.table.refresh()  # deletions from the front show at a refresh
        assert dict(self.table.items()) == wanted
        assert self.mirror == wanted
        assert {key: self.other[key] for key in self.other} == wanted
        assert len(self.other) == len(wanted)
        assert list(self.table.scan(b"1")) == sorted(
            (k, v) for k, v in wanted.items() if k.startswith(b"1")
        )

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.log.close()
        shutil.rmtree(self.root)


TestTableModel = TableModel.TestCase
TestTableModel.settings = settings(
    max_examples=30,
    stateful_step_count=20,
    suppress_health_check=list(HealthCheck),
)
TestTableModel.pytestmark = [pytest.mark.timeout(300)]
