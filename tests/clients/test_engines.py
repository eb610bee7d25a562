"""Spark, Flink and Storm read a topic through the broker, unmodified. Each says whether all records came once."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import logflume
from logflume.broker import ThreadedBroker
from support.kafka_peer import SCRIPT

pytestmark = [pytest.mark.engines, pytest.mark.slow, pytest.mark.timeout(900)]

COUNT = 3000


def peer(name: str) -> str:
    """The peer's script, installed; skips where it cannot be."""
    script: Path = SCRIPT.parents[1] / name / name
    if not script.is_file() or not shutil.which("java"):
        pytest.skip(f"no {name} at {script}, or no Java: it was not tried")
    try:
        done = subprocess.run(
            [script, "install"], capture_output=True, text=True, timeout=400, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{name} was not installed within 400 s: it was not tried")
    if done.returncode:
        pytest.skip(f"{name} cannot be installed here: {done.stderr[-300:]}")
    return str(script)


@pytest.mark.parametrize("name", ["spark", "flink", "storm"])
def test_a_stream_processor_reads_every_record_once(
    broker: ThreadedBroker, log: logflume.Log, name: str
) -> None:
    script = peer(name)
    log.create_topic("t", partitions=3, config={"compression.type": "lz4"})
    for number in range(3):
        values = [b"%d-%d" % (number, i) for i in range(COUNT // 3)]
        log.partition("t", number).append_many(values)
    done = subprocess.run(
        [script, "count", broker.bootstrap, "t", str(COUNT)],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
