"""group ls, describe, seek, delete, and lag."""

from __future__ import annotations

from pathlib import Path

import pytest

import logflume
from support.cli import Runner


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """A topic of two partitions with ten records each; the group `g` committed 4 and 0, and left."""
    runner = Runner(tmp_path / "data", monkeypatch)
    with logflume.open(runner.directory) as log:
        log.create_topic("t", partitions=2)
        for number in range(2):
            log.partition("t", number).append_many([b"v"] * 10)
        with log.consumer("t", group="g", enable_auto_commit=False) as consumer:
            consumer.poll(1.0)
            consumer.commit({("t", 0): 4, ("t", 1): 0})
    return runner


def committed(run: Runner, group: str = "g") -> dict[int, int | None]:
    rows = run("lag", group, "--json").json["partitions"]
    return {row["partition"]: row["committed"] for row in rows}


def test_ls_and_lag(run: Runner) -> None:
    [group] = run("group", "ls", "--json").json
    assert (group.pop("group"), group.pop("type")) == ("g", "consumer")
    assert group == {"state": "Empty", "members": 0, "partitions": 2, "lag": 16}
    document = run("lag", "g", "--json").json
    assert document["lag"] == 16
    assert [row["lag"] for row in document["partitions"]] == [6, 10]
    assert run("lag", "--json").json == [{"group": "g", "lag": 16}]
    assert "16" in run("lag", "g").lines[-1]
    assert run("lag").lines[-1].split() == ["g", "16"]


def test_no_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Runner(tmp_path / "empty", monkeypatch)
    run("init")
    assert run("group", "ls").out == run("lag").out == "no groups yet\n"
    assert run("group", "ls", "--json").json == []
    assert "unknown group" in run.fails("group", "describe", "g")
    assert "unknown group" in run.fails("lag", "g")
    assert "unknown group" in run.fails("group", "delete", "g", "--yes")
    assert "unknown group" in run.fails("group", "seek", "g", "--to", "end")
    # Looking makes nothing.
    assert run("ls", "--internal", "--json").json == []


def test_describe_shows_members(run: Runner) -> None:
    with (
        logflume.open(run.directory) as log,
        log.consumer("t", group="g", client_id="worker") as consumer,
    ):
        while len(consumer.assignment()) < 2:
            consumer.poll(0.1)
        document = run("group", "describe", "g", "--json").json
        [member] = document["members"]
        assert (member["client_id"], member["alive"]) == ("worker", True)
        assert sorted(member["assigned"]) == [["t", 0], ["t", 1]]
        text = run("group", "describe", "g").out
        assert "1 member" in text
        assert "worker" in text
        assert "has members" in run.fails("group", "seek", "g", "--to", "end")
        assert "has members" in run.fails("group", "delete", "g", "--yes")
    assert run("group", "describe", "g").out.startswith("g: empty, 0 members\n")


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("beginning", {0: 0, 1: 0}),
        ("end", {0: 10, 1: 10}),
        ("3", {0: 3, 1: 3}),
        ("99", {0: 10, 1: 10}),
        ("1h", {0: 0, 1: 0}),
        ("1970-01-01", {0: 0, 1: 0}),
    ],
)
def test_seek(run: Runner, where: str, expected: dict[int, int]) -> None:
    assert run("group", "seek", "g", "--to", where, "--dry-run").lines[-1].startswith("would move")
    assert committed(run) == {0: 4, 1: 0}
    rows = run("group", "seek", "g", "--to", where, "--json").json["partitions"]
    assert {row["partition"]: row["from"] for row in rows} == {0: 4, 1: 0}
    assert {row["partition"]: row["to"] for row in rows} == expected
    assert committed(run) == expected


def test_a_consumer_goes_on_where_seek_put_the_group(run: Runner) -> None:
    run("group", "seek", "g", "--to", "-3")
    with logflume.open(run.directory) as log, log.consumer("t", group="g") as consumer:
        assert len(consumer.poll(2.0)) + len(consumer.poll(0.2)) == 3


def test_seek_one_partition_and_a_new_group(run: Runner) -> None:
    run("group", "seek", "g", "t", "--partition", 1, "--to", "7")
    assert committed(run) == {0: 4, 1: 7}
    assert "out of range" in run.fails("group", "seek", "g", "t", "-p", 1, "--to", "77")
    run("group", "seek", "fresh", "t", "--to", "2")
    assert committed(run, "fresh") == {0: 2, 1: 2}
    assert "unknown topic" in run.fails("group", "seek", "g", "u", "--to", "end")
    run.fails("group", "seek", "g", "t", "-p", 5, "--to", "end")
    assert "--to" in run.misused("group", "seek", "g")
    assert "--to soon" in run.misused("group", "seek", "g", "--to", "soon")
    assert "needs a topic" in run.misused("group", "seek", "g", "-p", 1, "--to", "end")


def test_delete(run: Runner) -> None:
    assert "Say --yes" in run.misused("group", "delete", "g")
    assert committed(run) == {0: 4, 1: 0}
    assert run("group", "delete", "g", "--yes").out == "deleted g (2 committed offsets)\n"
    assert run("group", "ls", "--json").json == []
    assert "unknown group" in run.fails("group", "delete", "g", "--yes")


def test_a_deleted_topic_leaves_no_lag(run: Runner) -> None:
    run("topic", "delete", "t", "--yes")
    code = run("group", "ls").code
    assert code == 0


def test_groups_of_queues(run: Runner) -> None:
    with logflume.open(run.directory) as log:
        options = {"client_id": "worker", "share_auto_offset_reset": "earliest"}
        with log.queue("t", group="q", **options) as queue:
            records = queue.poll(10.0, max_records=3)
            [row] = [r for r in run("group", "ls", "--json").json if r["group"] == "q"]
            assert (row["type"], row["state"], row["members"]) == ("share", "Stable", 1)
            document = run("group", "describe", "q", "--json").json
            assert [m["client_id"] for m in document["members"]] == ["worker"]
            assert "has members" in run.fails("group", "seek", "q", "--to", "end")
            assert "has members" in run.fails("group", "delete", "q", "--yes")
            queue.commit()
        left = 20 - len(records)
        assert run("group", "describe", "q").out.startswith("q: share group, empty, 0 members\n")
        assert run("lag", "q", "--json").json["lag"] == left
        run("group", "seek", "q", "--to", "end")
        assert run("lag", "q", "--json").json["lag"] == 0
        run("group", "delete", "q", "--yes")
        assert "unknown group" in run.fails("group", "describe", "q")
