"""Flips one bit after another of a small log's files and looks at what a reader then sees; a process of its own."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

from logflume import errors
from model import batch_twin
from support.children import report
from support.partitions import Handle, Row, rows_of

SETTINGS: dict[str, Any] = {"segment_bytes": 800, "index_interval_bytes": 150}
STATE_BYTES = 512  # of the state file; the rest of its page is unused
HINTS = ("logflume.state",)


def make(directory: Path, *, clean: bool, codec: int) -> list[Row]:
    """A log of three segments, left as after a close or as after a kill; what it holds."""
    handle = Handle(directory / "made", compression=codec, **SETTINGS)
    for i in range(14):
        count = i % 3 + 1
        values = [random.Random(i * 10 + k).randbytes(10 + i) for k in range(count)]
        stamps = [1_700_000_000_000 + handle.log.end_offset * 10 + k for k in range(count)]
        handle.log.append_many(values, keys=[b"key"] * count, timestamps=stamps)
    rows = rows_of(handle.log.read_batch(0, 1000, 1 << 20))
    assert len(handle.log.segments()) >= 3
    if clean:
        handle.close()
        shutil.copytree(directory / "made", directory / "log")
    else:
        shutil.copytree(directory / "made", directory / "log")
        handle.close()
    return rows


def batches_of(directory: Path) -> list[tuple[str, int, int, range]]:
    """(file, first byte, byte behind, offsets) of every batch."""
    out = []
    for path in sorted(directory.glob("*.log")):
        position = 0
        for batch in batch_twin.decode_batches(path.read_bytes()):
            offsets = range(batch.base_offset, batch.last_offset + 1)
            out.append((path.name, position, position + batch.size, offsets))
            position += batch.size
    return out


class Flipper:
    def __init__(
        self, directory: str, *, clean: bool, codec: int, seed: int, every_bit: bool
    ) -> None:
        self.directory = Path(directory)
        self.rows = make(self.directory, clean=clean, codec=codec)
        self.log = self.directory / "log" / "t-0"
        self.files = {path.name: path.read_bytes() for path in sorted(self.log.iterdir())}
        self.batches = batches_of(self.log)
        self.rng = random.Random(seed)
        self.every_bit = every_bit
        self.counts = {"harmless": 0, "refused": 0, "cut": 0, "reported": 0}

    def run(self) -> None:
        for name, data in self.files.items():
            size = min(len(data), STATE_BYTES) if name in HINTS else len(data)
            if name.endswith(".log"):
                size = len(data.rstrip(b"\0")) + 100
            for at in range(min(size, len(data))):
                for bit in range(8) if self.every_bit else [self.rng.randrange(8)]:
                    report("case", name, at, bit)
                    for other, whole in self.files.items():
                        if (
                            not (self.log / other).exists()
                            or (self.log / other).read_bytes() != whole
                        ):
                            (self.log / other).write_bytes(whole)
                    for other in self.log.iterdir():
                        if other.name not in self.files:
                            other.unlink()
                    damaged = bytearray(data)
                    damaged[at] ^= 1 << bit
                    (self.log / name).write_bytes(damaged)
                    self.counts[self.look(name, at)] += 1
        report("done", *(f"{what}={count}" for what, count in self.counts.items()))

    def look(self, name: str, at: int) -> str:
        """What became of it: fails on wrong records, on silence, and on good batches out of reach."""
        try:
            handle = Handle(self.directory / "log", lock_timeout=2.0, **SETTINGS)
        except errors.LogflumeError:
            return "refused"
        try:
            return self.look_inside(handle.log, name, at)
        finally:
            handle.close()

    def look_inside(self, log: Any, name: str, at: int) -> str:
        hit = [
            offsets
            for file, start, end, offsets in self.batches
            if file == name and start <= at < end
        ]
        lost = set(hit[0]) if hit else set()
        reader, rows, reported = log.reader(), [], False
        error: Exception | None = None
        try:
            while batch := rows_of(reader.read(5, 300)):
                rows += batch
        except (errors.CorruptRecord, errors.UnsupportedFormat) as caught:
            reported, error = True, caught
        if reported:
            assert str(error).startswith(str(self.log / name)), error
            assert reader.position in lost, (reader.position, lost)
        assert rows == self.rows[: len(rows)], "wrong records"
        assert not reported or len(rows) == min(lost), (
            "good records before the damage were not handed out"
        )
        cut = bool(log.recovery.cuts)
        assert reported or cut or len(rows) == len(self.rows), "silence"
        # A state that claims more than there is may be believed in the report, and costs nothing.
        assert lost or not reported, "a hint's damage cost records"
        assert lost or not cut or (name in HINTS and len(rows) == len(self.rows))
        for row in self.rows:
            if row.offset in lost or (cut and row.offset >= log.end_offset):
                assert not cut or log.end_offset >= min(lost)
                continue
            seen = rows_of(log.read_batch(row.offset, 1))
            assert seen == [row], (seen, row)
            assert log.read(row.offset).value == row.value
        for row in self.rows[:: 5 if lost else 2]:
            if not lost:
                assert log.offset_for_time(row.timestamp) == row.offset
        return "cut" if cut else "reported" if reported else "harmless"


def run(directory: str, clean: bool, codec: int, seed: int, every_bit: bool) -> None:
    Flipper(directory, clean=clean, codec=codec, seed=seed, every_bit=every_bit).run()
