"""Each program of examples/ does what it says, on small inputs."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import logflume

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEXT = [f"the line {number} of the text with word{number % 7}" for number in range(900)]


def start(name: str, *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(name: str, *words: object) -> str:
    """Runs a program to its end; what it printed."""
    process = start(name, *words)
    out, errors = process.communicate(timeout=100)
    assert process.returncode == 0, out + errors
    return out


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.log"
    path.write_text("\n".join(TEXT) + "\n")
    return path


def test_every_program_is_listed_short_and_run_here() -> None:
    table = (EXAMPLES / "README.md").read_text()
    here = Path(__file__).read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f"`{path.name}`" in table or f"[{path.name}]({path.name})" in table
        assert f'"{path.name}"' in here or path.name == "demo_member.py"
        assert path.read_text().count("\n") < 100 or path.name == "flights_demo.py"


def test_flights_demo_on_a_file_loses_nothing(text: Path) -> None:
    pytest.importorskip("rich")
    said = run("flights_demo.py", "--file", text)
    assert "900 records" in said
    assert said.rstrip().endswith("nothing lost")


def counted(said: str) -> dict[str, int]:
    return {word: int(count.replace(",", "")) for count, word in map(str.split, said.splitlines())}


def test_word_count_counts_and_goes_on(text: Path, tmp_path: Path) -> None:
    expected = Counter(" ".join(TEXT).split())
    said = run("word_count.py", "--dir", tmp_path / "data", "--top", 12, text)
    assert counted(said) == dict(expected.most_common(12))
    assert run("word_count.py", "--dir", tmp_path / "data", "--top", 12) == said


def test_word_count_killed_while_counting_counts_each_line_once(text: Path, tmp_path: Path) -> None:
    where = tmp_path / "data"
    with logflume.open(where) as log:
        for topic in ("lines", "counts"):
            log.create_topic(topic, partitions=4)
        with log.producer() as producer:
            producer.send_many("lines", TEXT[0].encode().split(b"\n") * 100_000)
        process = start("word_count.py", "--dir", where)
        deadline = time.monotonic() + 60
        while not sum(partition.end_offset for partition in log["counts"]):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.kill()
        process.communicate()
    said = counted(run("word_count.py", "--dir", where))
    assert said["the"] == 200_000
    assert said["word0"] == 100_000


@pytest.mark.crash
def test_work_queue_does_every_job_though_a_worker_is_killed(tmp_path: Path) -> None:
    said = run("work_queue.py", "--dir", tmp_path / "data", "--jobs", 300, "--workers", 3, "--kill")
    found = re.fullmatch(r"300 jobs by [123] workers, 0 not done, (\d+) done again; .*\n", said)
    assert found, said
    assert "-9" in said


def test_queue_workers_do_or_give_up_every_job_though_one_is_killed(tmp_path: Path) -> None:
    words = ("--dir", tmp_path / "data", "--jobs", 210, "--workers", 3, "--kill")
    said = run("queue_workers.py", *words)
    assert "180 jobs done, 30 given up, 0 lost" in said
    assert "-9" in said


def test_tail_to_duckdb_copies_each_record_once(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    words = ("--dir", tmp_path / "data", "t", tmp_path / "t.duckdb", "--once")
    with logflume.open(tmp_path / "data") as log:
        log.create_topic("t", partitions=3)
        with log.producer() as producer:
            producer.send_many("t", [b"%d" % i for i in range(5000)])
            assert "copied 5,000 records" in run("tail_to_duckdb.py", *words)
            producer.send_many("t", [b"%d" % i for i in range(5000, 6000)], keys=[b"k"] * 1000)
    assert "copied 1,000 records; the table has 6,000" in run("tail_to_duckdb.py", *words)
    with duckdb.connect(str(tmp_path / "t.duckdb")) as db:
        found = db.execute("select count(distinct value), count(key) from records").fetchall()
    assert found == [(6000, 1000)]


def test_replay_merges_partitions_by_time(tmp_path: Path) -> None:
    base = 1_767_225_600_000  # 2026-01-01T00:00Z
    with logflume.open(tmp_path / "data") as log:
        log.create_topic("t", partitions=3)
        with log.producer() as producer:
            for i in range(60):
                producer.send("t", b"%d" % i, partition=i % 3, timestamp=base + 1000 * i)
    until = ("--from", "2026-01-01T00:00:10", "--to", "2026-01-01T00:00:50")
    lines = run("replay.py", "--dir", tmp_path / "data", "t", *until).splitlines()
    assert [line.split()[-1] for line in lines] == [str(i) for i in range(10, 50)]
    assert lines[0].startswith("2026-01-01T00:00:10.000000Z")
    began = time.monotonic()
    run("replay.py", "--dir", tmp_path / "data", "t", *until, "--speed", 60)
    assert time.monotonic() - began > 39 / 60
