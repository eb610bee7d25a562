"""A moment of each target, always the same: that they work, and find nothing that they found before."""

from __future__ import annotations

import pytest

from fuzz.targets import TARGETS

RUNS = {"served": 640}


@pytest.mark.parametrize("name", TARGETS)
def test_a_moment_of_fuzzing_finds_nothing(name: str) -> None:
    target = TARGETS[name](1)
    try:
        for _ in range(RUNS.get(name, 5000)):
            target()
    finally:
        if hasattr(target, "close"):
            target.close()
