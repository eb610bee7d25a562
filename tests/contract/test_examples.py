"""The programs of examples/ run unchanged on both addresses."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import logflume

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEXT = [f"the line {number} of the text with word{number % 7}" for number in range(900)]


def run(name: str, *words: object) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def clean(address):
    """Without the examples' topics, whose names are fixed."""
    with logflume.open(address) as log:
        for topic in ("lines", "counts", "jobs", "done", "flights"):
            if topic in log:
                log.delete_topic(topic)
    return address


def counted(said: str) -> dict[str, int]:
    return {word: int(count.replace(",", "")) for count, word in map(str.split, said.splitlines())}


def test_word_count(clean, tmp_path):
    text = tmp_path / "text.log"
    text.write_text("\n".join(TEXT) + "\n")
    expected = Counter(" ".join(TEXT).split())
    said = run("word_count.py", "--dir", clean, "--top", 12, text)
    assert counted(said) == dict(expected.most_common(12))
    assert run("word_count.py", "--dir", clean, "--top", 12) == said


@pytest.mark.crash
def test_flights_demo(clean, tmp_path):
    pytest.importorskip("rich")
    text = tmp_path / "text.log"
    text.write_text("".join(f"key{i % 50} of the line {i}\n" for i in range(40_000)))
    said = run("flights_demo.py", "--file", text, "--dir", clean)
    assert said.count("40,000 of 40,000 records") == 2
    assert said.rstrip().endswith("nothing lost")
    with logflume.open(clean) as log:
        assert sum(partition.end_offset for partition in log["flights"]) == 40_000


@pytest.mark.crash
def test_work_queue(clean):
    said = run("work_queue.py", "--dir", clean, "--jobs", 300, "--workers", 2)
    assert re.fullmatch(r"300 jobs by [12] workers, 0 not done, (\d+) done again; .*\n", said), said


def test_replay_and_a_copy_into_duckdb(address, name, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    with logflume.open(address) as log:
        log.create_topic(name, partitions=2)
        with log.producer() as producer:
            for i in range(200):
                producer.send(name, b"value %d" % i, key=b"%d" % i, timestamp=1_700_000_000_000 + i)
    said = run("replay.py", "--dir", address, name)
    values = re.findall(r"value \d+", said)
    assert values == [f"value {i}" for i in range(200)]
    table = tmp_path / "t.duckdb"
    assert "copied 200 records" in run("tail_to_duckdb.py", "--dir", address, name, table, "--once")
    assert "copied 0 records" in run("tail_to_duckdb.py", "--dir", address, name, table, "--once")
    with duckdb.connect(str(table)) as db:
        assert db.execute("select count(distinct value) from records").fetchone() == (200,)
