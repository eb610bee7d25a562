"""cat and tail: from records to text."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import logflume
from logflume._native.batches import BatchScan, encode_batch
from logflume.cli.failures import Usage
from logflume.cli.merge import Feed, merged
from logflume.cli.place import Place, parse_place
from support.cli import Runner

NOON = 1_700_000_000_000


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """A topic of two partitions: minute n holds record n, odd ones in partition 1."""
    runner = Runner(tmp_path / "data", monkeypatch)
    with logflume.open(runner.directory) as log:
        log.create_topic("t", partitions=2)
        for n in range(20):
            log.partition("t", n % 2).append(
                f"v{n}".encode(), key=f"k{n}".encode(), timestamp=NOON + n * 60_000
            )
    return runner


def values(*numbers: int) -> list[str]:
    return [f"v{n}" for n in numbers]


def test_cat_is_in_the_order_of_time(run: Runner) -> None:
    assert run("cat", "t").lines == values(*range(20))
    assert run("cat", "t", "--partition", 1).lines == values(*range(1, 20, 2))
    assert run("cat", "t", "--max", 3).lines == values(0, 1, 2)
    assert run("cat", "t", "-p", 0, "-p", 1, "-p", 0).lines == values(*range(20))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("beginning", range(20)),
        ("earliest", range(20)),
        ("end", ()),
        ("-3", (17, 18, 19)),
        ("-0", ()),
        ("-100", range(20)),
        ("8", (16, 17, 18, 19)),
        ("99", ()),
        (str(NOON + 17 * 60_000), (17, 18, 19)),
        (str(NOON + 17 * 60_000 + 1), (18, 19)),
        ("2023-11-14T22:31:20Z", (18, 19)),
        ("2023-11-14T23:31:20+01:00", (18, 19)),
        ("10m", ()),
        ("500w", range(20)),
    ],
)
def test_from(run: Runner, where: str, expected: range) -> None:
    assert run("cat", "t", "--from", where).lines == values(*expected)


def test_until(run: Runner) -> None:
    assert run("cat", "t", "--until", "2").lines == values(0, 1, 2, 3)
    assert run("cat", "t", "--until", NOON + 60_000).lines == values(0)
    assert run("cat", "t", "--from", "3", "--until", "-10").lines == values(6, 7, 8, 9)
    assert run("cat", "t", "--from", "5", "--until", "3").lines == []
    assert run("cat", "t", "--until", "beginning").lines == []


def test_formats(run: Runner) -> None:
    one = ("cat", "t", "--from", "-1", "--format")
    assert run(*one, "value").out == "v19\n"
    assert run(*one, "key-value").out == "k19\tv19\n"
    assert run(*one, "hex").out == "6b3139\t763139\n"
    expected = {
        "topic": "t",
        "partition": 1,
        "offset": 9,
        "timestamp": NOON + 19 * 60_000,
        "key": "k19",
        "value": "v19",
    }
    assert run(*one, "json").jsons == run("cat", "t", "--from", "-1", "--json").jsons == [expected]
    text = (
        r"{topic}-{partition}:{offset:>4}\t{time} {timestamp} [{key}] {value!r:>6} {{}} {headers}"
    )
    assert (
        run(*one, text).out
        == f"t-1:   9\t2023-11-14T22:32:20.000Z {NOON + 19 * 60_000} [k19]  'v19' {{}} \n"
    )


def test_odd_bytes_and_nulls(run: Runner) -> None:
    with logflume.open(run.directory) as log:
        log.create_topic("odd")
        partition = log.partition("odd", 0)
        partition.append(
            b"\xff\x00\n", key=None, headers=[("h", None), ("b", b"\xfe")], timestamp=-1
        )
        partition.append(None, key=b"")
    first, second = run("cat", "odd", "--json").jsons
    assert first["value_base64"] == "/wAK"
    assert "value" not in first
    assert first["key"] is None
    assert first["headers"] == [{"name": "h", "value": None}, {"name": "b", "value_base64": "/g=="}]
    assert (second["key"], second["value"]) == ("", None)
    assert run("cat", "odd").raw == b"\xff\x00\n\n\n"
    assert (
        run("cat", "odd", "--format", "{key}={value};{time}", "--max", 1).raw == b"=\xff\x00\n;\n"
    )
    assert run("cat", "odd", "--format", "key-value").raw == b"\t\xff\x00\n\n\t\n"


def test_bad_usage(run: Runner) -> None:
    assert "no field {foo}" in run.misused("cat", "t", "--format", "{foo}")
    assert "--format" in run.misused("cat", "t", "--format", "{value")
    assert "--format" in run.misused("cat", "t", "--format", "{offset:z}")
    assert "no field" in run.misused("cat", "t", "--format", "{value.__class__}")
    assert "expected value" in run.misused("cat", "t", "--format", "xml")
    assert "--from" in run.misused("cat", "t", "--from", "yesterday")
    assert "--max 0" in run.misused("cat", "t", "--max", 0)
    assert "no end" in run.misused("cat", "t", "-f", "--until", "end")
    assert "format of its own" in run.misused("cat", "t", "--json", "--format", "hex")
    assert "--last" in run.misused("tail", "t", "--last", "-1")
    run.misused("cat")
    assert "unknown topic" in run.fails("cat", "u")
    assert "partition" in run.fails("cat", "t", "--partition", 7)
    assert "out of range" in run.fails("cat", "t", "--partition", 0, "--from", 11)
    assert run("cat", "t", "--partition", 0, "--from", 10).lines == []


def test_tail(run: Runner) -> None:
    assert run("tail", "t", "--no-follow").lines == values(*range(10, 20))
    assert run("tail", "t", "--no-follow", "-n", 2).lines == values(18, 19)
    assert run("tail", "t", "--no-follow", "-n", 2, "--partition", 0).lines == values(16, 18)
    assert run("tail", "t", "--no-follow", "--from", "beginning", "--max", 1).lines == values(0)


def test_tail_follows_until_it_is_interrupted(run: Runner) -> None:
    process = run.process("tail", "t", "-n", 1, "--json")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["value"] == "v19"
    with logflume.open(run.directory) as log:
        log.partition("t", 0).append(b"new")
        assert json.loads(process.stdout.readline())["value"] == "new"
        log.alter_topic("t", partitions=3)
        log.partition("t", 2).append(b"in a new partition")
        assert json.loads(process.stdout.readline())["value"] == "in a new partition"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"")


def test_follow_counts_and_stops(run: Runner) -> None:
    process = run.process("cat", "t", "-f", "--from", "end", "--max", 2)
    with logflume.open(run.directory) as log:
        # When it begins nobody can tell: what is appended before that is not for it.
        while process.poll() is None:
            log.partition("t", 1).append_many([b"a", b"a", b"a"])
            time.sleep(0.05)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, b"a\na\n", b"")


def test_places() -> None:
    def place(text: str) -> Place:
        return parse_place(text, option="--from", now_ms=NOON)

    assert place("90s") == Place("time", NOON - 90_000)
    assert place("7d") == Place("time", NOON - 7 * 86_400_000)
    assert place("100ms") == Place("time", NOON - 100)
    assert place("99999999999") == Place("offset", 99_999_999_999)
    assert place("100000000000") == Place("time", 100_000_000_000)
    assert place("-5") == Place("last", 5)
    for text in ("", "-", "m", "10", "1.5h", "٣", "2023-13-01", "10 m", "-5m", "9" * 30, "20231"):
        if text in ("10", "20231"):
            assert place(text).kind == "offset"
        else:
            with pytest.raises(Usage):
                place(text)


class FakeReader:
    """Batches as a PartitionReader gives them."""

    def __init__(self, batches: list[list[int]], number: int) -> None:
        self.left = []
        self.position = 0
        at = 0
        for stamps in batches:
            rows = [(f"{number}:{at + i}".encode(), None, None, s) for i, s in enumerate(stamps)]
            self.left.append(encode_batch(rows, base_offset=at))
            at += len(stamps)

    def read(self, max_records: int, max_bytes: int):
        if not self.left:
            return Empty()
        batch = next(BatchScan(self.left.pop(0)))
        self.position = batch.last_offset + 1
        return batch.records()


class Empty:
    def __len__(self) -> int:
        return 0


stamps = st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=5), max_size=4)


@given(partitions=st.lists(stamps, max_size=4), cut=st.none() | st.integers(0, 6))
def test_merging_keeps_partitions_in_order_and_time_across_them(
    partitions: list[list[list[int]]], cut: int | None
) -> None:
    feeds = [
        Feed(FakeReader(batches, n), cut, lambda batch: list(batch.values.tolist()))  # type: ignore[arg-type]
        for n, batches in enumerate(partitions)
    ]
    for feed in feeds:
        feed.done = cut == 0
    got = [line.decode().split(":") for lines in merged(feeds) for line in lines]
    expected = []
    for number, batches in enumerate(partitions):
        largest = -1
        flat = [stamp for batch in batches for stamp in batch]
        for offset, stamp in enumerate(flat if cut is None else flat[:cut]):
            largest = max(largest, stamp)
            expected.append((largest, number, offset))
    # Of equal times any partition may come first.
    keys = {(number, offset): largest for largest, number, offset in expected}
    places = [(int(number), int(offset)) for number, offset in got]
    assert sorted(places) == sorted(keys)
    times = [keys[place] for place in places]
    assert times == sorted(times)
    for number in range(len(partitions)):
        mine = [offset for n, offset in places if n == number]
        assert mine == sorted(mine)
