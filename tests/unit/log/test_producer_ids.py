"""Producer ids: none is handed out twice, and hardly any costs a sync."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

import logflume
from logflume.errors import CorruptRecord
from logflume.log import producer_ids
from logflume.log.directory import LogDirectory


def claimed(path: str, count: int) -> list[int]:
    directory = LogDirectory(path)
    try:
        return [directory.producer_ids.claim() for _ in range(count)]
    finally:
        directory.close()


def test_processes_and_threads_get_different_ids(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3) as pool:
        jobs = [pool.submit(claimed, str(tmp_path), 1500) for _ in range(6)]
        ids = [number for job in jobs for number in job.result(60)]
    assert len(ids) == len(set(ids)) == 9000
    assert min(ids) == producer_ids.FIRST
    directory = LogDirectory(str(tmp_path))
    with ThreadPoolExecutor(4) as threads:
        more = list(threads.map(lambda _: directory.producer_ids.claim(), range(4000)))
    directory.close()
    assert len(set(ids + more)) == 13_000


def test_a_block_after_the_first_costs_no_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed(str(tmp_path), 1)
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    for _ in range(3):
        claimed(str(tmp_path), 1)
    assert not synced


@pytest.mark.parametrize("lost", ["another boot", "file gone", "file torn", "file older"])
def test_what_a_power_loss_takes_is_never_handed_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    used = tmp_path / "logflume-producer-ids-used"
    first = claimed(str(tmp_path), 1)
    older = used.read_bytes()
    before = first + claimed(str(tmp_path), 2500)
    if lost == "file gone":
        used.unlink()
    elif lost == "file torn":
        used.write_bytes(used.read_bytes()[:9])
    elif lost == "file older":
        used.write_bytes(older)
    if lost in ("another boot", "file older"):
        monkeypatch.setattr(producer_ids, "boot_id", lambda: "another")
    after = claimed(str(tmp_path), 10)
    assert min(after) == producer_ids.FIRST + producer_ids.LEASE
    assert not set(after) & set(before)


def test_a_lease_used_up_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer_ids, "LEASE", 2 * producer_ids.BLOCK)
    ids = [number for _ in range(5) for number in claimed(str(tmp_path), 1)]
    assert ids == [producer_ids.FIRST + n * producer_ids.BLOCK for n in range(5)]


def test_a_broken_lease_is_an_error(tmp_path: Path) -> None:
    claimed(str(tmp_path), 1)
    (tmp_path / "logflume-producer-ids").write_text("many\n")
    (tmp_path / "logflume-producer-ids-used").unlink()
    with pytest.raises(CorruptRecord, match="logflume-producer-ids"):
        claimed(str(tmp_path), 1)


def test_a_forked_child_claims_its_own(tmp_path: Path) -> None:
    with logflume.open(tmp_path) as log:
        mine = log.directory.producer_ids.claim()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(write, str(log.directory.producer_ids.claim()).encode())
            os._exit(0)
        os.waitpid(child, 0)
        theirs = int(os.read(read, 100))
        assert len({mine, theirs, log.directory.producer_ids.claim()}) == 3
        assert theirs >= mine + producer_ids.BLOCK
