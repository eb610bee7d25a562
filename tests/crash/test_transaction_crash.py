"""A process dies at any step of a transaction: what was decided holds everywhere, nothing half is ever seen."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from crash.transaction_script import PRODUCER, commits, open_all, open_page
from logflume._native.partition_log import failpoint_names
from logflume._native.transactions import complete
from support.children import Child
from support.partitions import Handle, as_after_kill, opened, read_all
from support.transactional import batch

pytestmark = pytest.mark.crash

PREFIXES = ("produce.", "snapshot.", "txnindex.", "txn.")
NAMES = [name for name in failpoint_names() if name.startswith(PREFIXES)]


def numbers(lines: list[list[str]], what: str) -> list[int]:
    return [int(line[1]) for line in lines if line[0] == what]


def settle(directory: Path, handles: list[Handle], lines: list[list[str]]) -> set[int]:
    """As a coordinator would; the numbers of the transactions that are committed."""
    begun, ended = numbers(lines, "begin"), set(numbers(lines, "end"))
    decided = {number for number in ended if commits(number)}
    undecided = [number for number in begun if number not in ended]
    page, descriptor = open_page(directory)
    page.lock()
    commit = bool(undecided) and commits(undecided[-1])
    offsets = complete(
        page, [h.log for h in handles], producer_id=PRODUCER, producer_epoch=0, commit=commit
    )
    page.settled()
    page.unlock()
    assert page.sequence % 2 == 0
    page.close()
    os.close(descriptor)
    if undecided and commits(undecided[-1]):
        decided.add(undecided[-1])
        # Of those that had begun to be told, all are done: by the dead process, or just now.
        assert all(offset >= -1 for offset in offsets)
    return decided


def committed(log: Any) -> list[bytes]:
    reader = log.reader(read_committed=True)
    values: list[bytes] = []
    while rows := [bytes(record.value) for record in reader.read(5)]:
        values += rows
    return values


def check(handles: list[Handle], decided: set[int], tmp_path: Path) -> None:
    expected = sorted(b"%d:%d" % (PRODUCER, 2 * n + k) for n in decided for k in (0, 1))
    for handle in handles:
        log = handle.log
        assert log.open_transactions() == []
        assert log.last_stable_offset == log.end_offset
        values = [value.rstrip(b".") for value in committed(log)]
        assert sorted(v for v in values if not v.startswith(b"plain")) == expected
        # What is known here is what the log alone tells.
        copy = as_after_kill(handle.directory, tmp_path / f"copy {handle.path.name}")
        folder = copy / handle.path.name
        indexes = {path: path.read_bytes() for path in folder.glob("*.txnindex")}
        for path in (
            folder / "logflume.state",
            *folder.glob("*.snapshot"),
            *folder.glob("*.txnindex"),
        ):
            path.unlink(missing_ok=True)
        known, aborted = log.producers(), log.aborted(0, log.end_offset)
        with opened(copy, name=handle.path.name, segment_bytes=1500) as again:
            assert again.producers() == known
            assert again.aborted(0, again.end_offset) == aborted
            assert read_all(again) == read_all(log)
        assert {path: path.read_bytes() for path in folder.glob("*.txnindex")} == indexes
        sequence = max((p.last_sequence for p in known), default=-1)
        log.append_batches(batch(PRODUCER, sequence + 1, transactional=True))
        assert len(log.open_transactions()) == 1


@pytest.mark.parametrize("survivors", [False, True], ids=["all died", "others live"])
@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_killed_there(name: str, nth: int, survivors: bool, tmp_path: Path) -> None:
    where = tmp_path / "log"
    where.mkdir()
    handles = open_all(where) if survivors else []
    kept = open_page(where) if survivors else None
    try:
        with Child(
            "crash.transaction_script", "run", failpoint=f"{name}:{nth}:kill", directory=where
        ) as child:
            status = child.finish()
            assert status == -signal.SIGKILL, (status, child.errors())
            lines = child.lines
        handles = handles or open_all(where)
        if kept is not None:
            assert kept[0].lock() in (True, False)
            kept[0].unlock()
        decided = settle(where, handles, lines)
        check(handles, decided, tmp_path)
    finally:
        for handle in handles:
            handle.close()
        if kept is not None:
            kept[0].close()
            os.close(kept[1])


@pytest.mark.parametrize("name", NAMES)
def test_an_error_there(name: str, tmp_path: Path) -> None:
    where = tmp_path / "log"
    where.mkdir()
    with Child(
        "crash.transaction_script", "run", failpoint=f"{name}:2:raise", directory=where
    ) as child:
        assert child.finish() == 0, child.errors()
        assert child.lines[-1] == ["done"]
        assert len([line for line in child.lines if line[0] == "error"]) <= 1
        lines = child.lines
    handles = open_all(where)
    try:
        check(handles, settle(where, handles, lines), tmp_path)
    finally:
        for handle in handles:
            handle.close()
