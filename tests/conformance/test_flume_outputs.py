"""The same configuration in a real Flume and in ours: the bytes that file_roll has are held against the same page."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from logflume.agent import Agent, load
from support import flume_peer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Case(NamedTuple):
    """A source's lines of properties, the files it finds in FOLDER, and what comes out of each of its channels."""

    source: str
    files: dict[str, bytes]
    out: dict[str, bytes]
    serializer: str = "text"


SPOOL = "type = spooldir\nspoolDir = FOLDER\n"
TAIL = "type = TAILDIR\nfilegroups = f\nfilegroups.f = FOLDER/.*\\\\.log\npositionFile = FOLDER/positions\n"
LINES = b'{"city":"bj"} 1\nDROP it\nlvl=WARN caught\n{"city":"sh"} 22\n'

CASES = {
    "words": Case(
        'type = exec\ncommand = echo "quoted   words" it\'s a\\\\b\n',
        {},
        {"c": b'"quoted words" it\'s a\\b\n'},
    ),
    "shell": Case(
        'type = exec\nshell = /bin/sh -c\ncommand = for i in 1 2; do \\\n    echo "no $i ${i}"; done\n',
        {},
        {"c": b"no 1 1\nno 2 2\n"},
    ),
    "numbers": Case("type = seq\ntotalEvents = 3\n", {}, {"c": b"0\n1\n2\n"}),
    "stress": Case(
        "type = org.apache.flume.source.StressSource\nsize = 3\nmaxTotalEvents = 2\n",
        {},
        {"c": b"\x7f\x7f\x7f\n" * 2},
    ),
    "tail": Case(
        TAIL + "headers.f.kind = web\n",
        {"a.log": b"one\r\n\ntw\xc3\xb6\nunfinished", "b.txt": b"no\n"},
        {"c": b"{kind=web} one\n{kind=web} \n{kind=web} tw\xc3\xb6\n"},
        "header_and_text",
    ),
    "long": Case(
        SPOOL + "deserializer.maxLineLength = 4\nbasenameHeader = true\n",
        {"a": b"one\n1234567\nlast"},
        {"c": b"".join(b"{basename=a} %s\n" % s for s in (b"one", b"1234", b"567", b"last"))},
        "header_and_text",
    ),
    "latin": Case(
        SPOOL + "inputCharset = ISO-8859-1\nincludePattern = ^.*\\\\.txt$\n",
        {"a.txt": b"caf\xe9\n", "b.csv": b"no\n"},
        {"c": "café\n".encode()},
    ),
    "gbk": Case(
        SPOOL + "inputCharset = GBK\n", {"a": "中文\n".encode("gbk")}, {"c": "中文\n".encode()}
    ),
    "replaced": Case(
        SPOOL + "decodeErrorPolicy = REPLACE\n", {"a": b"a\xff\n"}, {"c": "a\ufffd\n".encode()}
    ),
    "ignored": Case(SPOOL + "decodeErrorPolicy = IGNORE\n", {"a": b"a\xffb\n"}, {"c": b"ab\n"}),
    "chain": Case(
        TAIL
        + "interceptors = drop find mend\n"
        + "interceptors.drop.type = org.apache.flume.interceptor.RegexFilteringInterceptor$Builder\n"
        + "interceptors.drop.regex = ^DROP\ninterceptors.drop.excludeEvents = true\n"
        + 'interceptors.find.type = REGEX_EXTRACTOR\ninterceptors.find.regex = "city":"(\\\\w+)"\n'
        + "interceptors.find.serializers = s\ninterceptors.find.serializers.s.name = city\n"
        + "interceptors.mend.type = search_replace\n"
        + "interceptors.mend.searchPattern = (\\\\d)(\\\\d)\ninterceptors.mend.replaceString = $2-$1\n"
        + "selector.type = multiplexing\nselector.header = city\n"
        + "selector.mapping.bj = one two\nselector.mapping.sh = two\nselector.default = rest\n",
        {"a.log": LINES},
        {
            "one": b'{city=bj} {"city":"bj"} 1\n',
            "two": b'{city=bj} {"city":"bj"} 1\n{city=sh} {"city":"sh"} 2-2\n',
            "rest": b"{} lvl=WARN caught\n",
        },
        "header_and_text",
    ),
}


def configuration(where: Path) -> Path:
    """One agent of all cases; odd spacing and separators as people write them."""
    lines = ["# of several agents one runs", "other.sources = none"]
    channels, sinks = [], []
    for name, case in CASES.items():
        folder = where / "in" / name
        folder.mkdir(parents=True)
        for file, data in case.files.items():
            (folder / file).write_bytes(data)
        text = case.source.replace("FOLDER", str(folder))
        names = {channel: f"{name}-{channel}" for channel in case.out}
        for line in text.splitlines():
            goes_on = line.startswith(" ")
            lines.append(line if goes_on else f"a1.sources.{name}.{wired(line, names)}")
        lines.append(f"a1.sources.{name}.channels={'   '.join(names.values())}")
        for channel in names.values():
            channels.append(channel)
            sinks.append(channel)
            (where / "out" / channel).mkdir(parents=True)
            lines += [
                f"a1.channels.{channel}.type:memory",
                f"  a1.sinks.{channel}.type\tfile_roll",
                f"a1.sinks.{channel}.channel = {channel}",
                f"a1.sinks.{channel}.sink.directory = {where / 'out' / channel}",
                f"a1.sinks.{channel}.sink.rollInterval = 0",
                f"a1.sinks.{channel}.sink.serializer = {case.serializer}",
            ]
    lines += [f"a1.sources = {' '.join(CASES)}", f"a1.channels = {' '.join(channels)}"]
    lines += ["a1.sinks = \\", "    " + " ".join(sinks)]
    path = where / "flume.properties"
    path.write_text("\n".join(lines) + "\n")
    return path


def wired(line: str, names: dict[str, str]) -> str:
    key, _, value = line.partition(" = ")
    if key.startswith(("selector.mapping", "selector.default")):
        value = " ".join(names[word] for word in value.split())
    return f"{key} = {value}"


@contextmanager
def ours(path: Path) -> Iterator[None]:
    plan = load([path], "a1")
    assert not [problem for problem in plan.problems if problem.severity == "error"]
    with Agent(plan):
        yield


@pytest.mark.parametrize("which", ["ours", pytest.param("flume", marks=pytest.mark.peers)])
def test_what_comes_out(tmp_path: Path, which: str) -> None:
    path = configuration(tmp_path)
    wanted = {f"{n}-{c}": data for n, case in CASES.items() for c, data in case.out.items()}

    def found() -> dict[str, bytes]:
        folders = sorted((tmp_path / "out").iterdir())
        return {
            one.name: b"".join(f.read_bytes() for f in sorted(one.iterdir())) for one in folders
        }

    with ours(path) if which == "ours" else flume_peer.agent(path):
        end = time.monotonic() + 120
        while found() != wanted and time.monotonic() < end:
            time.sleep(0.1)
    assert found() == wanted
