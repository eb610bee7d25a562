"""A commit costs one sync, however many partitions; a checkpoint keeps what counts."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import logflume
from logflume.coordinator.transactions.checkpoint import checkpoint
from support.committed import committed, undecided, values
from support.power import power_loss

PROGRAM = (
    """
import os, sys, logflume
path, partitions = sys.argv[1], int(sys.argv[2])
log = logflume.open(path)
producer = log.producer(transactional_id="x")
def one():
    with producer.transaction():
        for number in range(partitions):
            producer.send("t", b"v", partition=number)
one()
os.stat("/begin")
""".replace('os.stat("/begin")', 'os.path.exists("/begin")')
    + """
for _ in range(5):
    one()
os.path.exists("/end")
"""
)


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
@pytest.mark.parametrize("partitions", [1, 100])
def test_one_sync_a_commit(tmp_path: Path, partitions: int) -> None:
    with logflume.open(tmp_path / "data") as log:
        log.create_topic("t", partitions=partitions)
    trace = tmp_path / "trace"
    calls = "trace=fsync,fdatasync,sync_file_range,msync,syncfs,stat,newfstatat"
    subprocess.run(
        ["strace", "-f", "-e", calls, "-o", trace, sys.executable, "-c", PROGRAM,
         str(tmp_path / "data"), str(partitions)],
        check=True,
    )  # fmt: skip
    text = trace.read_text()
    between = text[text.index('"/begin"') : text.index('"/end"')]
    syncs = re.findall(r"\b(fsync|fdatasync|sync_file_range|msync|syncfs)\(", between)
    assert syncs == ["fdatasync"] * 5


def test_a_checkpoint_keeps_what_counts(tmp_path: Path) -> None:
    import random

    rng = random.Random(1)
    with logflume.open(tmp_path / "live", transaction_state_log_segment_bytes=1 << 20) as log:
        log.create_topic("a", partitions=2)
        state = (
            log.directory.partition("__transaction_state", 0) if log.transactions.list() else None
        )
        assert state is None
        producers = [log.producer(transactional_id=f"x{n}") for n in range(3)]
        for round_ in range(60):
            for number, producer in enumerate(producers):
                with producer.transaction():
                    producer.send("a", b"%d" % round_ * 10_000, partition=number % 2)
        state = log.directory.partition("__transaction_state", 0)
        assert state.start_offset > 0
        assert sum(segment.size for segment in state.segments()) < 3 << 20
        expected = values(log, "a")
        assert len(expected) == 180
        image = power_loss(log, tmp_path / "image", rng)
        assert [t.transactional_id for t in log.transactions.list()] == ["x0", "x1", "x2"]
    with logflume.open(image) as log:
        assert values(log, "a") == expected
        assert [t.transactional_id for t in log.transactions.list()] == ["x0", "x1", "x2"]
        with log.producer(transactional_id="x1") as producer, producer.transaction():
            producer.send("a", b"after", partition=0)
        assert committed(log, "a")["a", 0][-1] == b"after"


def test_ids_that_nobody_uses_are_forgotten(tmp_path: Path) -> None:
    with logflume.open(tmp_path, transactional_id_expiration_ms=1000) as log:
        log.create_topic("a")
        with log.producer(transactional_id="old") as producer, producer.transaction():
            producer.send("a", b"1")
        living = log.producer(transactional_id="living")
        room = log.engine.coordinator.room
        now = room.now_ms()
        room.now_ms = lambda: now + 2000
        with room.locked() as state:
            checkpoint(room, state)
        assert [t.transactional_id for t in log.transactions.list()] == ["living"]
        with living.transaction():
            living.send("a", b"2")
        with log.producer(transactional_id="old") as producer, producer.transaction():
            producer.send("a", b"3")
        assert values(log, "a") == [b"1", b"2", b"3"]
        assert undecided(log) == {}


def test_a_clean_close_spares_the_next_opener_the_look_back(tmp_path: Path) -> None:
    with logflume.open(tmp_path) as log:
        log.create_topic("a")
        with log.producer(transactional_id="x") as producer:
            for _ in range(5):
                with producer.transaction():
                    producer.send("a", b"v")
        end = log.directory.partition("__transaction_state", 0).end_offset
    assert int((tmp_path / "__transaction_state-0" / "logflume.redo").read_text()) == end
