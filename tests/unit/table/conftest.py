"""A log with a compacted topic of four partitions, and one of one."""

from __future__ import annotations

import pytest

import logflume


@pytest.fixture
def log(tmp_path):
    with logflume.open(tmp_path / "data") as opened:
        opened.create_topic("t", partitions=4, config={"cleanup.policy": "compact"})
        opened.create_topic("one", partitions=1)
        yield opened
