"""Configuration files as flat properties."""

from __future__ import annotations

from pathlib import Path

import pytest

from logflume.agent.filters import apply_filters
from logflume.agent.properties import read_files, substitute
from logflume.errors import InvalidConfig, StorageError


def test_javas_format_is_read(tmp_path: Path) -> None:
    path = tmp_path / "flume.properties"
    path.write_bytes(
        rb"""# a comment
! another
a.sources = r1 \
            r2
a.sources.r1.regex : ^(\\d+)\\s
a.name=caf\u00e9 @   """.replace(b"@", "é".encode("latin-1"))
    )
    assert read_files([path]) == {
        "a.sources": "r1 r2",
        "a.sources.r1.regex": r"^(\d+)\s",
        "a.name": "café é",
    }


def test_later_files_win(tmp_path: Path) -> None:
    (tmp_path / "1.properties").write_text("a.x=1\na.y=1\n")
    (tmp_path / "2.properties").write_text("a.y=2\n")
    assert read_files([tmp_path / "1.properties", tmp_path / "2.properties"]) == {
        "a.x": "1",
        "a.y": "2",
    }


def test_toml_has_the_same_words(tmp_path: Path) -> None:
    path = tmp_path / "flume.toml"
    path.write_text(
        """
        [a.sources.r1]
        type = "taildir"
        batchSize = 5
        fileHeader = true
        channels = ["c1", "c2"]
        filegroups = { f1 = "/var/log/.*" }
        interceptors = { i1 = { type = "host" } }
        [a.channels]
        c1.type = "memory"
        c2.type = "memory"
        """
    )
    assert read_files([path]) == {
        "a.sources": "r1",
        "a.sources.r1.type": "taildir",
        "a.sources.r1.batchSize": "5",
        "a.sources.r1.fileHeader": "true",
        "a.sources.r1.channels": "c1 c2",
        "a.sources.r1.filegroups": "f1",
        "a.sources.r1.filegroups.f1": "/var/log/.*",
        "a.sources.r1.interceptors": "i1",
        "a.sources.r1.interceptors.i1.type": "host",
        "a.channels": "c1 c2",
        "a.channels.c1.type": "memory",
        "a.channels.c2.type": "memory",
    }


@pytest.mark.parametrize(("name", "text"), [("x.toml", "a = ["), ("x.properties", "a=\\uZZZZ")])
def test_a_file_that_is_none_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidConfig, match=name):
        read_files([tmp_path / name])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"gone\.properties"):
        read_files([tmp_path / "gone.properties"])


def test_references_are_filled_in() -> None:
    given = {
        "a": "${env:HOME_OF}/x",
        "b": "${sys:zone}",
        "c": "${a}/y",
        "d": "${PLAIN}",
        "e": "${env:NO:-fallback}",
        "f": "${f['secret']}",
    }
    done, wrong = substitute(
        given, environment={"HOME_OF": "/h", "PLAIN": "p"}, system={"zone": "z"}
    )
    assert wrong == {}
    assert done == {
        "a": "/h/x",
        "b": "z",
        "c": "/h/x/y",
        "d": "p",
        "e": "fallback",
        "f": "${f['secret']}",
    }


def test_unknown_references_are_named() -> None:
    _, wrong = substitute({"a": "${env:NO}", "b": "${b}"}, environment={}, system={})
    assert "${env:NO}" in wrong["a"]
    assert "circle" in wrong["b"]


def test_what_a_shell_or_an_expression_knows_stays_as_it_is() -> None:
    given = {
        "a.sources.r.command": "echo ${i} ${dir}",
        "a.sources.r.interceptors.i.replaceString": "<${word}>",
        "dir": "/logs",
        "a.sources.s.command": "echo ${env:NO}",
    }
    done, wrong = substitute(given, environment={}, system={})
    assert done["a.sources.r.command"] == "echo ${i} /logs"
    assert done["a.sources.r.interceptors.i.replaceString"] == "<${word}>"
    assert list(wrong) == ["a.sources.s.command"]


def test_filters_give_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3")
    own = {
        "configfilters": "e x",
        "configfilters.e.type": "env",
        "configfilters.x.type": "external",
        "configfilters.x.command": "/bin/echo of",
        "p": "${e['SECRET']}",
        "q": '${x["key"]}',
    }
    done, wrong = apply_filters(own)
    assert not wrong
    assert (done["p"], done["q"]) == ("s3", "of key")


def test_a_filter_that_fails_is_named_without_its_output() -> None:
    own = {
        "configfilters": "x h",
        "configfilters.x.type": "external",
        "configfilters.x.command": "/bin/false",
        "configfilters.h.type": "hadoop",
        "p": "${x['key']}",
        "q": "${none['key']}",
    }
    _, wrong = apply_filters(own)
    assert set(wrong) == {"p", "q", "configfilters.h.type"}
    assert "CalledProcessError" in wrong["p"]
    assert "JCEKS" in wrong["configfilters.h.type"]
