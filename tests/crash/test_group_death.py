"""Groups over real processes that are killed: the rest take over, and no partition has two owners."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.group_witness import WitnessedMembers, check_witness

pytestmark = pytest.mark.crash

# What it takes is milliseconds; a machine that is busy with other things gets this long.
SECONDS_MAX = 30.0


@pytest.fixture(params=["range", "cooperative-sticky"])
def members(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[WitnessedMembers]:
    members = WitnessedMembers(tmp_path, partitions=12, assignor=request.param)
    yield members
    members.close()


def test_the_rest_own_everything_after_a_kill(members: WitnessedMembers) -> None:
    first, *_ = [members.start() for _ in range(4)]
    members.wait_until_all_owned(seconds=SECONDS_MAX)
    members.kill(first)
    took = members.wait_until_all_owned(seconds=SECONDS_MAX)
    print(f"taken over within {took * 1000:.0f} ms")


def test_the_last_one_left_owns_everything(members: WitnessedMembers) -> None:
    processes = [members.start() for _ in range(3)]
    members.wait_until_all_owned(seconds=SECONDS_MAX)
    for process in processes[:2]:
        members.kill(process)
    members.wait_until_all_owned(seconds=SECONDS_MAX)
    assert members.stop(processes[2]) == 0
    assert members.owners() == {}


def test_a_stopped_member_keeps_its_partitions(members: WitnessedMembers) -> None:
    """SIGSTOP is not death: what it holds must go to nobody, or it would read on with them."""
    a, _ = members.start(), members.start()
    members.wait_until_all_owned(seconds=SECONDS_MAX)
    mine = {p for p, pid in members.owners().items() if pid == a.pid}
    os.kill(a.pid, signal.SIGSTOP)
    time.sleep(0.5)
    assert {p for p, pid in members.owners().items() if pid == a.pid} == mine
    os.kill(a.pid, signal.SIGCONT)
    members.wait_until_all_owned(seconds=SECONDS_MAX)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", [1, random.SystemRandom().randrange(1 << 32)], ids=["1", "random"])
def test_storm_of_joins_leaves_and_kills(members: WitnessedMembers, seed: int) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    end = time.monotonic() + 5
    while time.monotonic() < end:
        action = rng.random()
        if len(members.processes) < 2 or (action < 0.4 and len(members.processes) < 6):
            process = members.start()
            if rng.random() < 0.7:
                assert process.stdout is not None
                process.stdout.readline()  # else it may be killed in the middle of joining
        elif action < 0.8:
            members.kill(rng.choice(members.processes))
        else:
            # An exit code of -15 is one that was told to end before it could listen.
            assert members.stop(rng.choice(members.processes)) in (0, -signal.SIGTERM)
        time.sleep(rng.random() * 0.1)
    members.start()
    took = members.wait_until_all_owned(seconds=SECONDS_MAX)
    print(f"settled after {took * 1000:.0f} ms")
    members.owners()


def test_the_witness_sees_two_owners() -> None:
    assert check_witness("1 + 0\n1 = 0\n1 - 0\n2 + 0\n2 = 0\n") == {0: 2}
    assert check_witness("1 + 0\n2 + 0\n2 = 0\n2") == {0: 2}
    with pytest.raises(AssertionError, match="line 3: 1 still acts on 0"):
        check_witness("1 + 0\n2 + 0\n1 = 0\n")
