"""init, ls, topic create, describe, alter, delete."""

from __future__ import annotations

from pathlib import Path

import pytest

import logflume
from support.cli import Runner


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    return Runner(tmp_path / "data", monkeypatch)


def test_init_makes_a_directory_once(run: Runner) -> None:
    assert run("init").out == f"{run.directory} is now a log directory\n"
    first = run("--json", "init").json
    assert first["created"] is False
    assert first["directory"] == str(run.directory)
    assert run("init", "--json").json == first
    assert run("ls").out.startswith("no topics yet")
    assert run("ls", "--json").json == []


def test_reading_commands_make_no_directory(run: Runner) -> None:
    for words in (["ls"], ["topic", "describe", "t"], ["verify"], ["put", "t"], ["lag"], ["du"]):
        assert "no such log directory" in run.fails(*words)
    assert not run.directory.exists()
    run.directory.mkdir()
    assert "not a log directory" in run.fails("ls")
    assert list(run.directory.iterdir()) == []


def test_create_and_describe(run: Runner) -> None:
    said = run(
        "topic", "create", "clicks", "--partitions", 3,
        "--config", "retention.ms=7d", "--config", "compression.type=lz4",
    )  # fmt: skip
    assert said.out == "created clicks with 3 partitions\n"
    document = run("topic", "describe", "clicks", "--json").json
    assert document["config"] == {"retention.ms": "604800000", "compression.type": "lz4"}
    assert [row["partition"] for row in document["partition_list"]] == [0, 1, 2]
    assert document["partition_list"][0]["end_offset"] == 0
    text = run("topic", "describe", "clicks").out
    assert "retention.ms" in text
    assert "segment.bytes" not in text
    assert "segment.bytes" in run("topic", "describe", "clicks", "--all").out
    everything = run("--json", "topic", "describe", "clicks", "--all").json
    assert everything["defaults"]["segment.bytes"] == "1073741824"
    assert run("topic", "create", "one").out == "created one with 1 partition\n"


def test_ls_counts(run: Runner) -> None:
    run("topic", "create", "t", "--partitions", 2)
    with logflume.open(run.directory) as log:
        log.partition("t", 0).append_many([b"x"] * 1500)
        log.partition("t", 1).append(b"y")
        log.consumer("t", group="g").close()
    [topic] = run("ls", "--json").json
    assert (topic["topic"], topic["partitions"], topic["records"]) == ("t", 2, 1501)
    assert topic["bytes"] > 1501
    assert "1,501" in run("ls").out
    assert [t["topic"] for t in run("ls", "--internal", "--json").json] == [
        "__consumer_offsets",
        "t",
    ]


def test_alter(run: Runner) -> None:
    run("topic", "create", "t", "--config", "retention.ms=1h")
    assert run("topic", "alter", "t", "--partitions", 4).out == "altered t\n"
    changed = run("topic", "alter", "t", "--config", "retention.ms=", "--json").json
    assert (changed["partitions"], changed["config"]) == (4, {})
    assert "nothing to alter" in run.misused("topic", "alter", "t")
    assert "has 4 already" in run.fails("topic", "alter", "t", "--partitions", 2)
    assert "retention.ms" in run.fails("topic", "alter", "t", "--config", "retention.m=5")


def test_delete_asks_or_is_told(run: Runner) -> None:
    run("topic", "create", "t")
    assert "Say --yes" in run.misused("topic", "delete", "t")
    assert run("ls", "--json").json
    assert run("topic", "delete", "t", "--yes").out == "deleted t (0 records, 0 B)\n"
    assert run("ls", "--json").json == []
    assert "unknown topic" in run.fails("topic", "delete", "t", "--yes")


def test_bad_names_and_settings(run: Runner) -> None:
    run("topic", "create", "t")
    assert "already exists" in run.fails("topic", "create", "t")
    assert "../x" in run.fails("topic", "create", "../x")
    assert "expected name=value" in run.misused("topic", "create", "u", "--config", "lz4")
    twice = ("--config", "retention.ms=1", "--config", "retention.ms=2")
    assert "given twice" in run.misused("topic", "create", "u", *twice)
    assert "lz5" in run.fails("topic", "create", "u", "--config", "compression.type=lz5")
    assert "0" in run.fails("topic", "create", "u", "--partitions", 0)
    assert "--partitions" in run.misused("topic", "create", "u", "--partitions", "many")
    assert run("ls", "--json").json[0]["topic"] == "t"
    assert len(run("ls", "--json").json) == 1


def test_read_only_directory_can_be_looked_at(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    run("topic", "create", "t")
    with logflume.open(run.directory) as log:
        log.partition("t", 0).append(b"x")
    if os.geteuid() == 0:
        # Root may write anywhere: what the log asks is answered as for others.
        monkeypatch.setattr("logflume.log.directory.is_writable", lambda path: False)
    else:
        run.directory.chmod(0o555)
    try:
        assert run("ls", "--json").json[0]["records"] == 1
        assert run("cat", "t").out == "x\n"
        assert "not writable" in run.fails("topic", "create", "u")
    finally:
        run.directory.chmod(0o755)


def test_open_looks_and_changes_nothing(run: Runner) -> None:
    run("topic", "create", "clicks")
    with logflume.open(run.directory) as log:
        log.partition("clicks", 0).append(b"x")
    before = {path: path.stat().st_mtime_ns for path in run.directory.rglob("*")}
    said = run("open", str(run.directory))
    assert "clicks" in said.out
    assert run("open", "--json", str(run.directory)).json == run("ls", "--json", "--read-only").json
    assert {path: path.stat().st_mtime_ns for path in run.directory.rglob("*")} == before
    assert "no such log directory" in run.fails("open", str(run.directory / "none"))
