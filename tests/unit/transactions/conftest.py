from __future__ import annotations

import pytest

import logflume


@pytest.fixture
def log(tmp_path):
    with logflume.open(tmp_path / "data") as opened:
        opened.create_topic("a", partitions=3)
        opened.create_topic("b")
        yield opened
