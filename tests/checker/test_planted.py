"""The checker over logflume with one thing wrong on purpose: it must find each."""

from __future__ import annotations

import json
import os
import random
import signal
import time
import traceback

import pytest

from checker.rounds import crowd_round, room, small_round
from checker.sabotage import SABOTAGE

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(400)]

SEED = int(os.environ.get("LOGFLUME_SEED", time.time_ns() % 1_000_000_000))
SMALL, CROWDS = 400, 12


def found_in_small_rounds(name: str) -> set[str]:
    """In a child, for a sabotaged engine stays so: histories until one has the fault that was planted."""
    spoil, wanted, _ = SABOTAGE[name]
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        status = 1
        try:
            os.close(read)
            spoil()
            kinds: set[str] = set()
            with room() as where:
                for seed in range(SEED, SEED + SMALL):
                    try:
                        kinds |= {fault.kind for fault in small_round(seed, where).faults}
                    except AssertionError:
                        raise
                    except Exception:
                        kinds.add("failed")
                    if kinds & wanted:
                        break
            os.write(write, json.dumps(sorted(kinds)).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(write)
    try:
        with os.fdopen(read, "rb") as pipe:
            data = pipe.read()
    finally:
        os.kill(pid, signal.SIGKILL) if not data else None
        os.waitpid(pid, 0)
    return set(json.loads(data))


def found_in_crowds(name: str) -> set[str]:
    spoil, wanted, _ = SABOTAGE[name]
    kinds: set[str] = set()
    with room() as where:
        for seed in range(SEED, SEED + CROWDS):
            kinds |= {fault.kind for fault in crowd_round(seed, where, 0.5, sabotage=spoil).faults}
            if kinds & wanted:
                break
    return kinds


@pytest.mark.parametrize("name", SABOTAGE)
def test_what_is_wrong_with_the_engine_is_found(name: str) -> None:
    print(f"LOGFLUME_SEED={SEED}")
    _, wanted, processes = SABOTAGE[name]
    found = (found_in_crowds if processes else found_in_small_rounds)(name)
    assert found & wanted, found


def test_a_reader_without_isolation_sees_what_it_must_not() -> None:
    """Both: records of transactions that were aborted, and of such that were not yet committed."""
    print(f"LOGFLUME_SEED={SEED}")
    name = "reader without isolation"
    spoil, _, _ = SABOTAGE[name]
    kinds: set[str] = set()
    rng = random.Random(SEED)
    with room() as where:
        for _ in range(CROWDS):
            seed = rng.randrange(1 << 30)
            kinds |= {fault.kind for fault in crowd_round(seed, where, 0.5, sabotage=spoil).faults}
            if {"aborted-read", "dirty-read"} <= kinds:
                return
    raise AssertionError(kinds)
