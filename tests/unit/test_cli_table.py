"""table get, table scan."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

import logflume
from support.cli import Runner

ODD = b"\xff\x00"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    with logflume.open(tmp_path / "data") as log:
        log.create_topic("users", partitions=3, config={"cleanup.policy": "compact"})
        with log.table("users") as table:
            for name in ("ann", "bob", "anton", "-x"):
                table.put(name.encode(), b"old")
                table.put(name.encode(), name.upper().encode())
            table.put(ODD, ODD)
            table.put(b"gone", b"?")
            table.delete(b"gone")
    return Runner(tmp_path / "data", monkeypatch)


def test_get_prints_the_last_value(run: Runner) -> None:
    assert run("table", "get", "users", "ann").raw == b"ANN\n"
    assert run("table", "get", "users", "--", "-x").raw == b"-X\n"
    assert run("table", "get", "users", "ann", "--json").json == {"key": "ann", "value": "ANN"}


def test_get_tells_that_there_is_none(run: Runner) -> None:
    for key in ("eve", "gone"):
        assert "no value for the key" in run.fails("table", "get", "users", key)
        assert "no value for the key" in run.fails("table", "get", "users", key, "--json")


def test_keys_that_are_no_text(run: Runner) -> None:
    assert run("table", "get", "users", "--hex", ODD.hex()).raw == ODD + b"\n"
    odd = base64.b64encode(ODD).decode()
    document = run("table", "get", "users", "--hex", ODD.hex(), "--json").json
    assert document == {"key_base64": odd, "value_base64": odd}
    assert "no hexadecimal digits" in run.misused("table", "get", "users", "--hex", "xyz")


def test_scan_goes_in_the_order_of_the_keys(run: Runner) -> None:
    every = [b"-x\t-X", b"ann\tANN", b"anton\tANTON", b"bob\tBOB", ODD + b"\t" + ODD]
    assert run("table", "scan", "users").raw == b"\n".join(every) + b"\n"
    assert run("table", "scan", "users", "an").lines == ["ann\tANN", "anton\tANTON"]
    assert run("table", "scan", "users", "an", "--max", 1).lines == ["ann\tANN"]
    assert run("table", "scan", "users", "--hex", "ff").raw == every[-1] + b"\n"
    assert run("table", "scan", "users", "zoe").raw == b""


@pytest.mark.parametrize(
    ("form", "line"), [("key", "bob"), ("value", "BOB"), ("hex", "626f62\t424f42")]
)
def test_scan_in_other_forms(form: str, line: str, run: Runner) -> None:
    assert run("table", "scan", "users", "b", "--format", form).lines == [line]


def test_scan_in_json_is_a_line_a_key(run: Runner) -> None:
    rows = run("table", "scan", "users", "an", "--json").jsons
    assert rows == [{"key": "ann", "value": "ANN"}, {"key": "anton", "value": "ANTON"}]
    assert rows == run("table", "scan", "users", "an", "--format", "json").jsons


def test_wrong_usage(run: Runner) -> None:
    assert "--format csv: expected" in run.misused("table", "scan", "users", "--format", "csv")
    assert "--max 0" in run.misused("table", "scan", "users", "--max", 0)
    assert "leave --format out" in run.misused(
        "table", "scan", "users", "--json", "--format", "hex"
    )
    assert "unknown topic 'nobody'" in run.fails("table", "get", "nobody", "x")


def test_a_second_look_begins_where_the_first_ended(run: Runner) -> None:
    run("table", "scan", "users")
    saved = list(run.directory.glob("users-*/*checkpoint*"))
    assert saved
    with logflume.open(run.directory) as log, log.table("users") as table:
        table.put(b"bob", b"again")
    assert run("table", "get", "users", "bob").raw == b"again\n"
