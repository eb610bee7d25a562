"""The analysis over histories of a log in memory: silent about a correct one, and no planted fault escapes it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from checker.analysis import KINDS, check
from checker.history import load, merge, save
from checker.ledger import Ledger
from checker.rules_txn import told_apart
from checker.small import twin_history
from checker.twin import FAULTS


def test_a_correct_log_has_no_faults() -> None:
    for seed in range(400):
        assert not check(twin_history(seed)), seed


def test_its_histories_are_worth_looking_at() -> None:
    """Transactions end in all ways, and much is read."""
    ends: Counter[str] = Counter()
    rows = 0
    for seed in range(100):
        ledger = Ledger(twin_history(seed))
        ends.update(told_apart(ledger))
        rows += sum(len(poll.rows) for reader in ledger.readers.values() for poll in reader.polls)
    assert min(ends["committed"], ends["aborted"]) > 100
    assert rows > 5000


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    """By its right name, and without the fault the same seeds are silent."""
    found: Counter[str] = Counter()
    for seed in range(150):
        found.update({one.kind for one in check(twin_history(seed, fault))})
    assert any(found[kind] >= 5 for kind in FAULTS[fault]), found
    assert set(found) <= set(KINDS)


def test_every_kind_of_fault_is_planted() -> None:
    assert set(KINDS) - {"failed"} == {kind for kinds in FAULTS.values() for kind in kinds}


def test_a_history_is_the_same_again_from_its_seed() -> None:
    def shape(seed: int) -> list[tuple[str, str]]:
        return [(event.actor, event.kind) for event in twin_history(seed)]

    assert shape(5) == shape(5)
    assert shape(5) != shape(6)


def test_a_saved_history_says_the_same(tmp_path: Path) -> None:
    for seed in range(100):
        events = twin_history(seed, "shows aborted records")
        if faults := check(events):
            save(tmp_path / "history.jsonl", events, seed=seed)
            header, again = load(tmp_path / "history.jsonl")
            assert header == {"seed": seed}
            assert check(again) == faults
            return
    raise AssertionError("no history with a fault")


def test_histories_of_several_files_are_one_by_time(tmp_path: Path) -> None:
    events = twin_history(1)
    actors = sorted({event.actor for event in events})
    for actor in actors:
        save(
            tmp_path / actor.replace("'", "_"), [event for event in events if event.actor == actor]
        )
        lines = (tmp_path / actor.replace("'", "_")).read_bytes().splitlines(keepends=True)
        (tmp_path / actor.replace("'", "_")).write_bytes(b"".join(lines[1:]))
    merged = merge([tmp_path / actor.replace("'", "_") for actor in actors])
    assert [event.at for event in merged] == sorted(event.at for event in events)
    assert not check(merged)
