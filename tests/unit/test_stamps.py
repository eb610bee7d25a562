"""Records are stamped with the exact clock, though it is not read for each of them."""

from __future__ import annotations

import inspect
import time
from pathlib import Path

import numpy
import pytest

import logflume


@pytest.mark.parametrize("way", ["send", "append"])
def test_each_stamp_lies_between_the_clock_before_and_after_it(tmp_path: Path, way: str) -> None:
    before, after = [], []
    with logflume.open(tmp_path) as log:
        log.create_topic("t")
        partition = log.partition("t", 0)
        with log.producer(acks=1) as producer:
            for n in range(60_000):
                if n % 10_000 == 0:
                    time.sleep(0.013)  # the cycle counter's rate is known from here on, or idle
                before.append(time.time_ns() // 1_000_000)
                if way == "send":
                    producer.send("t", b"x")
                else:
                    partition.append(b"x")
                after.append(time.time_ns() // 1_000_000)
        reader = partition.reader()
        stamps: list[int] = []
        while len(batch := reader.read()):
            stamps += batch.timestamps.tolist()
    assert len(stamps) == 60_000
    assert (numpy.array(before) <= stamps).all()
    assert (stamps <= numpy.array(after)).all()


def test_the_direct_builtins_tell_their_signatures(tmp_path: Path) -> None:
    with logflume.open(tmp_path) as log, log.producer() as producer:
        log.create_topic("t")
        partition = log.partition("t", 0)
        sent = "(topic, value, key=None, headers=None, partition=None, timestamp=None)"
        assert str(inspect.signature(producer.send)) == sent
        appended = "(value, key=None, headers=None, timestamp=None)"
        assert str(inspect.signature(partition.append)) == appended
        assert str(inspect.signature(partition.read)) == "(offset)"
