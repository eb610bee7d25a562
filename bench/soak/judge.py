"""What the directory holds at the end, held against what writers were told and readers got."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import logflume
from bench.soak.reading import SAMPLE

__all__ = ["Verdict", "judge"]

READ_RECORDS = 200_000
READ_BYTES = 64 << 20
MAY_REPEAT = (
    "plain",
    "leader",
)  # writers without sequences: a record that is sent again is stored again


@dataclass
class Verdict:
    """Counts, and what is wrong (nothing, it is to be hoped)."""

    records: int = 0
    acknowledged: int = 0
    repeated: int = 0
    """Of writers whose records may be."""
    read: int = 0
    """Records that readers noted, compared byte for byte."""
    wrong: list[str] = field(default_factory=list)


def _records(log: logflume.Log, topic: str, number: int) -> Iterator[tuple[int, bytes]]:
    partition = log.partition(topic, number)
    offset = partition.start_offset
    while offset < partition.end_offset:
        batch = partition.read_batch(offset, READ_RECORDS, READ_BYTES)
        for at, value in zip(batch.offsets.tolist(), batch.values):
            assert value is not None, f"{topic}-{number}@{at}: the soak writes no nulls"
            yield at, bytes(value)
        offset = int(batch.offsets[-1]) + 1


def _notes(path: Path) -> Iterator[str]:
    """Whole lines: a kill may have torn the last."""
    text = path.read_text()
    yield from text[: text.rfind("\n") + 1].splitlines()


def judge(directory: Path, notes: Path, topic: str) -> Verdict:
    """Read everything, and compare."""
    verdict = Verdict()
    written: dict[str, list[tuple[int, int]]] = defaultdict(list)
    crcs: dict[tuple[int, int], int] = {}
    with logflume.open(directory) as log:
        for partition in log.directory.partitions(topic):
            number = partition.partition
            for offset, value in _records(log, topic, number):
                writer, text, _ = value.split(b":", 2)
                written[writer.decode()].append((int(text), offset))
                verdict.records += 1
                if offset % SAMPLE == 0:
                    crcs[number, offset] = zlib.crc32(value)
    for path in sorted(notes.iterdir()):
        if path.name.startswith("writer-"):
            _judge_writer(verdict, path, written.pop(path.name, []))
        elif path.name.startswith("reader-"):
            _judge_reader(verdict, path, crcs)
    for unknown in written:
        if not (notes / unknown).exists():
            verdict.wrong.append(f"{unknown}: records of a writer that never was")
    return verdict


def _judge_writer(verdict: Verdict, path: Path, found: list[tuple[int, int]]) -> None:
    """`found`: numbers and offsets in the order of the log."""
    name = path.name
    at: dict[int, list[int]] = defaultdict(list)
    expected = 0
    for number, offset in found:
        if number == expected:
            expected += 1
        elif number > expected:
            verdict.wrong.append(
                f"{name}: {number} stands where {expected} is next, at offset {offset}"
            )
            expected = number + 1
        elif name.removeprefix("writer-").partition(".")[0] in MAY_REPEAT:
            verdict.repeated += 1
        else:
            verdict.wrong.append(f"{name}: {number} again, at offset {offset}")
        at[number].append(offset)
    for line in _notes(path):
        first, _, second = line.partition(" ")
        if first == "E":
            verdict.wrong.append(f"{name}: {second}")
            continue
        verdict.acknowledged += 1
        if int(second) not in at.get(int(first), ()):
            where = at.get(int(first), "nowhere")
            verdict.wrong.append(f"{name}: {first} was acknowledged at {second}, and is {where}")


def _judge_reader(verdict: Verdict, path: Path, crcs: dict[tuple[int, int], int]) -> None:
    for line in _notes(path):
        if line.startswith("E"):
            verdict.wrong.append(f"{path.name}: {line[2:]}")
            continue
        number, offset, crc = map(int, line.split())
        verdict.read += 1
        if crcs.get((number, offset)) != crc:
            verdict.wrong.append(
                f"{path.name}: {number}@{offset} was another record when it was read"
            )
