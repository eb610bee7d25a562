"""`.snapshot` and `.txnindex` with any bytes in them: no answer changes, nothing crashes, and right files come back."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.partitions import Handle, opened
from support.transactional import batch, marker

pytestmark = pytest.mark.crash

SETTINGS: dict[str, Any] = {"segment_bytes": 1500, "index_interval_bytes": 300}

# What happens to a file: bits turn, it is cut, it grows, or other bytes take its place.
DAMAGE = st.one_of(
    st.tuples(st.just("flip"), st.lists(st.integers(0, 1 << 20), min_size=1, max_size=8)),
    st.tuples(st.just("cut"), st.floats(0, 1)),
    st.tuples(st.just("grow"), st.binary(min_size=1, max_size=200)),
    st.tuples(st.just("bytes"), st.binary(max_size=300)),
    st.tuples(st.just("overwrite"), st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=40))),
)


def damaged(data: bytes, damage: tuple[str, Any]) -> bytes:
    what, how = damage
    out = bytearray(data)
    if what == "flip" and data:
        for bit in how:
            out[bit // 8 % len(data)] ^= 1 << bit % 8
    elif what == "cut":
        del out[int(len(data) * how) :]
    elif what == "grow":
        out += how
    elif what == "bytes":
        out[:] = how
    elif what == "overwrite":
        at = int(len(data) * how[0])
        out[at : at + len(how[1])] = how[1]
    return bytes(out)


def answers(log: Any) -> Any:
    """All that the side files are there for; of producers what sequences are judged by."""
    reader, values = log.reader(read_committed=True), []
    while rows := reader.read(1000):
        values += [bytes(record.value) for record in rows]
    return {
        "end": log.end_offset,
        "stable": log.last_stable_offset,
        "values": values,
        "open": log.open_transactions(),
        "aborted": log.aborted(0, log.end_offset),
        "some aborted": [log.aborted(at, at + 7) for at in range(0, log.end_offset, 5)],
        "producers": [(p.producer_id, p.epoch, p.last_sequence) for p in log.producers()],
    }


def write(log: Any) -> None:
    rng = random.Random(5)
    sequences = dict.fromkeys(range(4), 0)
    begun: set[int] = set()
    for _ in range(120):
        producer = rng.randrange(4)
        if producer in begun and rng.random() < 0.4:
            log.append_raw(marker(producer, commit=rng.random() < 0.5))
            begun.discard(producer)
        elif rng.random() < 0.2:
            log.append(b"plain")
        else:
            log.append_batches(batch(producer, sequences[producer], transactional=True, size=40))
            sequences[producer] += 1
            begun.add(producer)
    for producer in sorted(begun)[1:]:
        log.append_raw(marker(producer, commit=True))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], Any]:
    """The same log closed, and as a kill leaves it; what it answers."""
    where = tmp_path_factory.mktemp("side files")
    handle = Handle(where / "live", **SETTINGS)
    try:
        write(handle.log)
        shutil.copytree(where / "live", where / "killed")
    finally:
        handle.close()
    with opened(where / "live", **SETTINGS) as log:
        right = answers(log)
    assert right["open"]
    assert right["stable"] < right["end"]
    assert len(right["aborted"]) > 5
    assert len(list((where / "live" / "t-0").glob("*.snapshot"))) > 3
    return {"closed": where / "live", "killed": where / "killed"}, right


@pytest.mark.parametrize("how", ["closed", "killed"])
@pytest.mark.parametrize("ending", ["snapshot", "txnindex"])
def test_no_answer_changes(written: Any, how: str, ending: str) -> None:
    directories, right = written

    @settings(max_examples=40)
    @given(st.lists(DAMAGE, min_size=1, max_size=4), st.integers(0, 1 << 30), st.booleans())
    def check(damages: list[tuple[str, Any]], seed: int, everywhere: bool) -> None:
        with tempfile.TemporaryDirectory() as temporary:
            copy = Path(temporary) / "log"
            shutil.copytree(directories[how], copy)
            files = sorted((copy / "t-0").glob(f"*.{ending}"))
            rng = random.Random(seed)
            for file in files if everywhere else rng.sample(files, 1):
                file.write_bytes(damaged(file.read_bytes(), rng.choice(damages)))
            with opened(copy, **SETTINGS) as log:
                assert answers(log) == right
                last = {producer: sequence for producer, _, sequence in right["producers"]}
                log.append_batches(batch(1, last[1] + 1, transactional=True))
            with opened(copy, **SETTINGS) as log:
                assert log.aborted(0, right["end"]) == right["aborted"]

    check()
