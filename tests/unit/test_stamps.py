"""Records are stamped with the exact clock, though it is not read for each of them."""

from __future__ import annotations

import time
from pathlib import Path

import numpy

import logflume


def test_each_stamp_lies_between_the_clock_before_and_after_its_send(tmp_path: Path) -> None:
    before, after = [], []
    with logflume.open(tmp_path) as log:
        log.create_topic("t")
        with log.producer(acks=1) as producer:
            for n in range(60_000):
                if n % 10_000 == 0:
                    time.sleep(0.013)  # the cycle counter's rate is known from here on, or idle
                before.append(time.time_ns() // 1_000_000)
                producer.send("t", b"x")
                after.append(time.time_ns() // 1_000_000)
        reader = log.partition("t", 0).reader()
        stamps: list[int] = []
        while len(batch := reader.read()):
            stamps += batch.timestamps.tolist()
    assert len(stamps) == 60_000
    assert (numpy.array(before) <= stamps).all()
    assert (stamps <= numpy.array(after)).all()
