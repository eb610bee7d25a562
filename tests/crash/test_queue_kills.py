"""Workers of a queue in several processes that are killed at any moment: what was committed never comes again, all
else does until somebody accepts it."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import logflume
from logflume.coordinator.share import ShareGroups

from .queue_worker import STRIDE

pytestmark = pytest.mark.crash

RECORDS = 3000
PARTITIONS = 2
WORKER = str(Path(__file__).with_name("queue_worker.py"))


class Workers:
    """Processes, and what they said they have durably accepted."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.directory = directory
        self.rng = random.Random(seed)
        self.running: list[tuple[subprocess.Popen[str], Path]] = []
        self.outputs: list[Path] = []

    def start(self) -> None:
        out = self.directory.parent / f"worker-{len(self.outputs)}.out"
        self.outputs.append(out)
        arguments = [sys.executable, WORKER, str(self.directory), str(self.rng.randrange(1 << 30))]
        with out.open("w") as file:
            self.running.append((subprocess.Popen(arguments, stdout=file, text=True), out))

    def kill_one(self) -> None:
        process, _ = self.running.pop(self.rng.randrange(len(self.running)))
        process.kill()
        process.wait()

    def close(self) -> None:
        for process, _ in self.running:
            process.kill()
            process.wait()
        self.running.clear()

    def done(self) -> Counter[int]:
        """What was said to be accepted, and how often."""
        found: Counter[int] = Counter()
        for out in self.outputs:
            for line in out.read_text().splitlines(keepends=True):
                if line.startswith("done ") and line.endswith("\n"):
                    found.update(int(word) for word in line.split()[1:])
        return found


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [1, random.SystemRandom().randrange(1 << 32)], ids=["1", "random"])
def test_killed_workers_lose_nothing_and_repeat_nothing_committed(
    tmp_path: Path, seed: int
) -> None:
    print(f"seed {seed}")
    path = tmp_path / "data"
    # Deaths count as deliveries; here nothing is to be archived by them.
    with logflume.open(path, group_share_delivery_count_limit=10) as log:
        log.create_topic("t", partitions=PARTITIONS)
        for number in range(PARTITIONS):
            log.partition("t", number).append_many([b"x"] * (RECORDS // PARTITIONS))
        workers = Workers(path, seed)
        try:
            for _ in range(4):
                workers.start()
            deadline = time.monotonic() + 300
            kills = 0
            while left(log) and time.monotonic() < deadline:
                time.sleep(workers.rng.random() * 0.4)
                if kills < 25:
                    workers.kill_one()
                    workers.start()
                    kills += 1
            assert left(log) == 0
        finally:
            workers.close()
        found = workers.done()
        twice = {offset: count for offset, count in found.items() if count > 1}
        assert not twice
        # One that was killed between its commit and saying so has accepted some that nobody told of: a batch each.
        told = {
            number * STRIDE + o
            for number in range(PARTITIONS)
            for o in range(RECORDS // PARTITIONS)
        }
        assert set(found) <= told
        assert len(told) - len(found) <= 40 * (kills + 1)
        with log.queue("t", group="g") as queue:
            assert queue.poll() == []


def left(log: logflume.Log) -> int:
    """Records that are not done yet."""
    found = ShareGroups(log.directory).partitions("g")
    if len(found) < PARTITIONS:
        return RECORDS
    return sum(info.lag for info in found.values())


def test_what_a_killed_worker_held_is_there_at_once_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "data"
    with logflume.open(path) as log:
        log.create_topic("t")
        log.partition("t", 0).append_many([b"x"] * 5)
        code = (
            "import logflume, sys, time\n"
            f"log = logflume.open({str(path)!r})\n"
            "queue = log.queue('t', group='g', share_auto_offset_reset='earliest',"
            " share_record_lock_duration_ms=3_600_000)\n"
            "a, b = queue.poll(30.0, max_records=2)\n"
            "queue.accept(a); queue.renew(b); queue.commit()\n"
            "print('taken', flush=True)\n"
            "time.sleep(600)\n"
        )
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "taken\n"
            with log.queue("t", group="g") as queue:
                assert [r.offset for r in queue.poll()] == [2, 3, 4]
                queue.commit()
                assert queue.poll() == []
                process.kill()
                # No wake-up tells of a death; who waits looks now and then. The lock would last an hour.
                records = queue.poll(timeout=60.0)
                assert [(r.offset, r.delivery_count) for r in records] == [(1, 2)]
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
