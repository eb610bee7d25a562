"""Random histories of logflume without a fault: short ones by the thousand, and such of processes that are killed."""

from __future__ import annotations

import os
import time
from collections import Counter

import pytest

from checker.rounds import Round, crowd_round, room, small_round

pytestmark = [pytest.mark.crash, pytest.mark.timeout(400)]

SEED = int(os.environ.get("LOGFLUME_SEED", time.time_ns() % 1_000_000_000))
SHORT = 500
CROWDS, CROWD_S = 6, 1.0


def judge(kind: str, played: Round) -> None:
    """Fails with the faults, and keeps the history to be judged again."""
    from checker.__main__ import keep

    if played.faults:
        path = keep(kind, played)
        pytest.fail(f"seed {played.seed}, history kept in {path}: {played.faults[:5]}")


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_short_histories_have_no_fault(part: int) -> None:
    print(f"LOGFLUME_SEED={SEED}")
    with room() as where:
        for seed in range(SEED + part * SHORT, SEED + (part + 1) * SHORT):
            judge("small", small_round(seed, where))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(3))
def test_processes_that_are_killed_and_paused_leave_no_fault(part: int) -> None:
    print(f"LOGFLUME_SEED={SEED}")
    kinds: Counter[str] = Counter()
    with room() as where:
        for seed in range(SEED + part * CROWDS, SEED + (part + 1) * CROWDS):
            played = crowd_round(seed, where, CROWD_S)
            judge("crowd", played)
            kinds.update(event.kind for event in played.events)
    # Something happened, on a busy machine too.
    assert kinds["killed"] >= 2
    assert kinds["paused"] >= CROWDS
    assert kinds["poll"] > 100
    assert kinds["committed"] >= 3
