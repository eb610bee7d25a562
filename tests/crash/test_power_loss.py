"""Power loss, simulated: what was not synced may be there, be zeroes, be old, or not be at all."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from support.partitions import Handle, Row, opened, read_all

pytestmark = pytest.mark.crash

SOAK = float(os.environ.get("LOGFLUME_SOAK", "0"))
SEED = int(os.environ.get("LOGFLUME_SEED", time.time_ns() % 1_000_000))
SETTINGS: dict[str, Any] = {"segment_bytes": 24_000, "index_interval_bytes": 400}
BOOT_ID_AT, BOOT_ID_SIZE = 16, 16  # native/include/lf/state.h
DIRECTORY_SYNCED_AT = 112  # as above
STATE = "logflume.state"


class Machine:
    """A log that is written to and synced, and what a disk may hold of it when the power goes."""

    def __init__(self, where: Path, rng: random.Random) -> None:
        self.rng, self.where = rng, where
        self.handle = Handle(where / "live", compression=rng.choice([0, 0, 3]), **SETTINGS)
        self.path = self.handle.path
        self.states: list[bytes] = []  # the state file at earlier moments: any may be on disk
        self.kept: dict[str, int] = {}  # bytes of each segment that a sync has reached
        self.images = 0

    def work(self, calls: int) -> None:
        log, rng = self.handle.log, self.rng
        for _ in range(calls):
            kind = rng.random()
            now = log.end_offset + 1
            if kind < 0.5:
                log.append(rng.randbytes(rng.randrange(200)), timestamp=now)
            elif kind < 0.9:
                count = rng.randrange(1, 60)
                values = [rng.randbytes(rng.randrange(100)) for _ in range(count)]
                log.append_many(values, timestamps=range(now, now + count), batch_bytes=2000)
            elif kind < 0.93:
                log.roll()
            elif kind < 0.96:
                log.sync()
                self.synced()
            self.states.append((self.path / STATE).read_bytes())

    def synced(self) -> None:
        for segment in self.handle.log.segments():
            self.kept[Path(segment.path).name] = segment.size

    def crash(self) -> Path:
        """A directory as the disk may hold it: all that was synced, and of the rest whatever."""
        self.images += 1
        image = self.where / f"image-{self.images}"
        shutil.copytree(self.path, image / "t-0")
        first, *others = sorted(image.glob("t-0/*.log"))
        # A directory entry that was never synced may be lost; the first roll syncs the first segment's.
        for log_file in others if others else [first]:
            if log_file.name not in self.kept and self.rng.random() < 0.5:
                log_file.unlink()
        for log_file in image.glob("t-0/*.log"):
            self.damage(log_file, self.kept.get(log_file.name, 0))
        for index in [*image.glob("t-0/*.index"), *image.glob("t-0/*.timeindex")]:
            self.damage_index(index)
        self.damage_state(image / "t-0" / STATE)
        return image

    def damage(self, path: Path, kept: int) -> None:
        """Behind `kept` every page may be old (zeroes) or there, and the file may end anywhere."""
        rng, data = self.rng, bytearray(path.read_bytes())
        page = rng.choice([512, 4096])
        style = rng.choice(["whole", "pages", "zero tail", "cut"])
        at = rng.randrange(kept, len(data) + 1)
        if style == "pages":
            for start in range(0, len(data), page):
                if rng.random() < 0.3:
                    low, high = max(start, kept), min(start + page, len(data))
                    data[low:high] = bytes(max(0, high - low))
        elif style == "zero tail":
            data[at:] = bytes(len(data) - at)
        elif style == "cut":
            del data[at:]
        path.write_bytes(data)

    def damage_index(self, path: Path) -> None:
        rng, data = self.rng, path.read_bytes()
        style = rng.choice(["keep", "missing", "empty", "zeroes", "half", "noise"])
        if style == "missing":
            path.unlink()
        elif style != "keep":
            half = len(data) // 2
            path.write_bytes(
                {
                    "empty": b"",
                    "zeroes": bytes(len(data)),
                    "half": data[:half] + bytes(len(data) - half),
                    "noise": rng.randbytes(len(data)),
                }[style]
            )

    def damage_state(self, path: Path) -> None:
        """An old one (with another boot's id, as after a real power loss), none, zeroes, noise, half."""
        rng = self.rng
        style = rng.choice(["old", "old", "missing", "zeroes", "noise", "half"])
        if style == "missing":
            path.unlink()
            return
        old = rng.choice(self.states)
        old = old[:BOOT_ID_AT] + rng.randbytes(BOOT_ID_SIZE) + old[BOOT_ID_AT + BOOT_ID_SIZE :]
        path.write_bytes(
            {
                "old": old,
                "zeroes": bytes(len(old)),
                "noise": rng.randbytes(len(old)),
                "half": old[: len(old) // 2],
            }[style]
        )


def check(image: Path, rows: list[Row], durable: int) -> None:
    """Everything durable is there, the rest is a prefix; it can be written, and found by time, again."""
    with opened(image, **SETTINGS) as log:
        end = log.end_offset
        assert end == 0 or not log.recovery.clean
        assert durable <= end <= len(rows)
        assert log.durable_offset == end
        assert read_all(log) == rows[:end]
        for row in rows[:end:7]:
            assert log.offset_for_time(row.timestamp) == row.offset
        assert log.append(b"after", timestamp=10**9) == end
        log.append_many([b"after"] * 300, timestamps=[10**9] * 300)
        log.sync()
        after = read_all(log)
    with opened(image, **SETTINGS) as log:
        assert log.recovery.clean
        assert read_all(log) == after
        assert log.offset_for_time(10**9) == end


def test_what_was_synced_survives_and_the_rest_is_a_prefix(tmp_path: Path) -> None:
    print(f"LOGFLUME_SEED={SEED}")
    rng = random.Random(SEED)
    deadline, logs = time.monotonic() + SOAK, 0
    while logs < 12 or time.monotonic() < deadline:
        logs += 1
        machine = Machine(tmp_path / str(logs), rng)
        try:
            for _ in range(4):
                machine.work(rng.randrange(5, 40))
                rows = read_all(machine.handle.log)
                durable = machine.handle.log.durable_offset
                for _ in range(3):
                    check(machine.crash(), rows, durable)
        finally:
            machine.handle.close()
            shutil.rmtree(tmp_path / str(logs))


def test_a_second_power_loss_right_after_the_first_recovery(tmp_path: Path) -> None:
    """What recovery accepted and called durable is still there when the power goes again."""
    rng = random.Random(SEED)
    machine = Machine(tmp_path, rng)
    machine.work(60)
    rows, durable = read_all(machine.handle.log), machine.handle.log.durable_offset
    machine.handle.close()
    for _ in range(10):
        image = machine.crash()
        handle = Handle(image, **SETTINGS)
        end = handle.log.end_offset
        assert durable <= end
        shutil.copytree(image, image / "again" / "t-0", ignore=shutil.ignore_patterns("again"))
        shutil.move(image / "again" / "t-0" / "t-0", image / "again" / "t")
        handle.close()
        again = image / "again" / "second"
        shutil.move(image / "again" / "t", again / "t-0")
        with opened(again, **SETTINGS) as log:
            assert log.end_offset == end
            assert read_all(log) == rows[:end]


def test_the_first_roll_syncs_the_directory(tmp_path: Path) -> None:
    """Were the first segment's entry lost, and a later one's not, the log would look as if retention had been."""
    with opened(tmp_path, **SETTINGS) as log:
        log.append(b"x")
        assert directory_synced(tmp_path) == 0
        log.roll()
        # The opening is the first change of the directory, the roll the second.
        assert directory_synced(tmp_path) == 2


def directory_synced(directory: Path) -> int:
    state = (directory / "t-0" / STATE).read_bytes()
    return int.from_bytes(state[DIRECTORY_SYNCED_AT : DIRECTORY_SYNCED_AT + 8], "little")


def test_a_kill_is_no_power_loss(tmp_path: Path) -> None:
    """In the same boot the page cache is whole: a bad batch among acknowledged ones is damage, and is kept."""
    handle = Handle(tmp_path / "live", **SETTINGS)
    for i in range(20):
        handle.log.append_many([b"value %d" % i] * 5)
    shutil.copytree(tmp_path / "live", tmp_path / "killed")
    handle.close()
    active = tmp_path / "killed" / "t-0" / f"{0:020}.log"
    data = bytearray(active.read_bytes())
    size = len(data.rstrip(b"\0"))
    data[size // 2] ^= 0x40
    active.write_bytes(data)
    with opened(tmp_path / "killed", **SETTINGS) as log:
        assert log.end_offset == 100
        assert not log.recovery.cuts
        assert log.read(99).value == b"value 19"


@pytest.mark.parametrize("whole_batches", [True, False])
def test_a_file_that_somebody_cut_is_reported(whole_batches: bool, tmp_path: Path) -> None:
    """Also where it was cut between two batches, so that nothing looks torn."""
    with opened(tmp_path) as log:
        for _ in range(20):
            log.append(b"x" * 50)
    path = tmp_path / "t-0" / f"{0:020}.log"
    size = path.stat().st_size // 20
    path.write_bytes(path.read_bytes()[: 15 * size + (0 if whole_batches else 33)])
    with opened(tmp_path) as log:
        assert log.end_offset == 15
        (cut,) = log.recovery.cuts
        assert (cut.path, cut.position) == (str(path), 15 * size)
        assert cut.size == (0 if whole_batches else 33)
        assert "offsets 15 to 19" in cut.reason
    with opened(tmp_path) as log:
        assert not log.recovery.cuts
