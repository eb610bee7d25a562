"""put: from lines to records."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import logflume
from logflume.cli.line_keys import keys_by_field, keys_by_regex
from logflume.cli.lines import line_chunks
from support.cli import Runner


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    runner = Runner(tmp_path / "data", monkeypatch)
    runner("topic", "create", "t")
    return runner


def records(run: Runner, topic: str = "t") -> list[tuple[bytes | None, bytes | None]]:
    with logflume.open(run.directory) as log:
        return [
            (r.key, r.value)
            for p in log[topic]
            for r in p.read_batch(p.start_offset, max_bytes=1 << 30)
        ]


def test_lines_of_a_file(run: Runner, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b"one\n\ntwo\r\n\xff\xfe\nno newline")
    said = run("put", "t", file)
    assert said.out.startswith("put 5 records (")
    values = [value for _, value in records(run)]
    assert values == [b"one", b"", b"two\r", b"\xff\xfe", b"no newline"]
    document = run("put", "t", file, "--strip-cr", "--json").json
    assert (document["records"], document["bytes"], document["topic"]) == (5, 23, "t")
    assert records(run)[7][1] == b"two"


def test_an_empty_file_puts_nothing(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert run("put", "t", tmp_path / "empty", "--json").json["records"] == 0
    assert records(run) == []


def test_what_is_put_comes_out_the_same(run: Runner, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b"".join(os.urandom(40).hex().encode() + b"\n" for _ in range(50_000)))
    run("put", "t", file, "--compression", "zstd")
    assert run("cat", "t").raw == file.read_bytes()


def test_standard_input(run: Runner) -> None:
    for words in (["put", "t"], ["put", "t", "-"]):
        process = run.process(*words, stdin=subprocess.PIPE)
        out, err = process.communicate(b"a\nb")
        assert (process.returncode, err) == (0, b"")
        assert out.startswith(b"put 2 records")
    assert records(run) == [(None, b"a"), (None, b"b")] * 2


def test_a_pipe_is_appended_as_it_comes(run: Runner) -> None:
    process = run.process("put", "t", stdin=subprocess.PIPE)
    assert process.stdin is not None
    with logflume.open(run.directory) as log:
        for n in range(3):
            process.stdin.write(b"line\n")
            process.stdin.flush()
            assert log.partition("t", 0).wait(n, 30.0)
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_keys_by_regex(run: Runner, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b"user=ann x\nuser=bob y\nnobody\n")
    said = run("put", "t", file, "--key-regex", r"user=(?P<key>\w+)")
    assert "1 record without a key" in said.err
    assert [key for key, _ in records(run)] == [b"ann", b"bob", None]
    assert keys_by_regex(r"(\w)(\w)")([b"xy"]) == [b"x"]
    assert keys_by_regex(r"(?:\w)\w")([b"xyz"]) == [b"xy"]
    assert keys_by_regex(r"(a)|b")([b"b"]) == [None]
    assert "--key-regex" in run.misused("put", "t", file, "--key-regex", "(")


def test_keys_by_field(run: Runner, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_bytes(
        b'{"id": 7}\n{"id": "x"}\n{"id": null}\nnot json\n[1]\n{"id": {"a": [1, true]}}\n'
    )
    document = run("put", "t", file, "--key-field", "id", "--json")
    assert document.json["without_key"] == 3
    assert "3 records without a key" in document.err
    keys = [key for key, _ in records(run)]
    assert keys == [b"7", b"x", None, None, None, b'{"a":[1,true]}']


@pytest.mark.parametrize(
    ("path", "line", "key"),
    [
        ("a.b", b'{"a": {"b": 1}}', b"1"),
        ("a.b", b'{"a.b": 2, "a": {"b": 1}}', b"2"),
        ("a.b", b'{"a": [1]}', None),
        ("a", b' {"a": "gr\xc3\xbcn"} ', "grün".encode()),
        ("a", b'{"a": "\\ud800"}', b"\xed\xa0\x80"),
        ("a", b'{"a": 1} {"a": 2}', None),
        ("a", b'{"a": 1', None),
        ("a", b"\xff", None),
        ("a", b"", None),
        ("a", b"[" * 100_000, None),
        ("a", b'{"a": false}', b"false"),
        ("a", b'{"a": ""}', b""),
    ],
)
def test_key_of_a_json_line(path: str, line: bytes, key: bytes | None) -> None:
    assert keys_by_field(path)([line]) == [key]


def test_keys_go_where_kafka_would_put_them(run: Runner, tmp_path: Path) -> None:
    run("topic", "create", "wide", "--partitions", 4)
    file = tmp_path / "lines"
    file.write_text("".join(f"k{n % 10}\n" for n in range(200)))
    run("put", "wide", file, "--key-regex", ".*")
    places: dict[str, set[int]] = {}
    for row in run("cat", "wide", "--json").jsons:
        places.setdefault(row["key"], set()).add(row["partition"])
    assert len(places) == 10
    assert all(len(partitions) == 1 for partitions in places.values())


def test_partition_header_compression_acks(run: Runner, tmp_path: Path) -> None:
    run("topic", "create", "wide", "--partitions", 3)
    file = tmp_path / "lines"
    file.write_bytes(b"value " * 100 + b"\n")
    words = ("--partition", 2, "--header", "h=1", "--header", "e=", "--acks", "1")
    run("put", "wide", file, *words, "--compression", "gzip")
    [row] = run("cat", "wide", "--json").jsons
    assert row["partition"] == 2
    assert row["headers"] == [{"name": "h", "value": "1"}, {"name": "e", "value": ""}]
    segment = run.directory / "wide-2" / "00000000000000000000.log"
    assert run("dump", segment, "--json").jsons[0]["codec"] == "gzip"


def test_bad_usage(run: Runner, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b"x\n")
    assert "No such file" in run.fails("put", "t", tmp_path / "missing")
    assert "unknown topic 'u'" in run.fails("put", "u", file)
    assert "exclude each other" in run.misused(
        "put", "t", file, "--key-regex", "a", "--key-field", "b"
    )
    assert "--nix" in run.misused("put", "t", "--nix")
    assert "--acks" in run.misused("put", "t", file, "--acks", "2")
    assert "--compression" in run.misused("put", "t", file, "--compression", "lz5")
    assert "expected name=value" in run.misused("put", "t", file, "--header", "x")
    assert "field's name" in run.misused("put", "t", file, "--key-field", "")
    run.fails("put", "t", file, "--partition", 9)
    assert f"{tmp_path}: is a directory" in run.fails("put", "t", tmp_path)
    run.misused("put")
    assert records(run) == []


def test_a_record_too_large_is_refused(run: Runner, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b"x" * 3_000_000)
    assert "max" in run.fails("put", "t", file)


@given(
    data=st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b"\r"]), max_size=40),
    chunk=st.integers(1, 7),
    strip=st.booleans(),
)
def test_lines_whatever_the_chunks(data: list[bytes], chunk: int, strip: bool) -> None:
    text = b"".join(data)
    reader, writer = os.pipe()
    try:
        os.write(writer, text)
        os.close(writer)
        got: list[bytes] = []
        size = 0
        for lines, read in line_chunks(reader, chunk_bytes=chunk, strip_cr=strip):
            got += lines
            size += read
    finally:
        os.close(reader)
    expected = text.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    if strip:
        expected = [line.removesuffix(b"\r") for line in expected]
    assert got == expected
    assert size == len(text)
