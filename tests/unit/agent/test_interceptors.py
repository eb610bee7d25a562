"""Interceptors, as the Flume guide has them."""

from __future__ import annotations

import datetime
import socket
import time
import uuid

import pytest

from logflume.agent import registry
from logflume.agent.components import Context
from logflume.agent.events import EventBatch
from logflume.agent.interceptors import Call
from logflume.agent.java_regex import replacement, to_python
from logflume.agent.joda import to_strptime
from logflume.agent.options import parse_component
from logflume.agent.stores import Stores
from logflume.errors import InvalidConfig

CONTEXT = Context("a", Stores())
TWO = EventBatch.of_rows([({}, b"GET /a 200"), ({"host": "old"}, b"POST /b 500")])


def passed(name: str, batch: EventBatch = TWO, **given: str) -> list[tuple[dict[str, str], bytes]]:
    kind = registry.find("interceptor", name, "type")
    made = kind("i", parse_component(kind.Config, given), CONTEXT)
    out = made.intercept(batch)
    return list(zip(out.rows(), out.body_list(), strict=True))


def headers(name: str, **given: str) -> list[dict[str, str]]:
    return [row for row, _ in passed(name, **given)]


def test_timestamp() -> None:
    rows = headers("timestamp", headerName="at")
    assert all(abs(int(row["at"]) - time.time() * 1000) < 60_000 for row in rows)


def test_host_by_name_and_kept() -> None:
    rows = headers("host", useIP="false", preserveExisting="true")
    assert [row["host"] for row in rows] == [socket.getfqdn(socket.gethostname()), "old"]


def test_static_keeps_by_default() -> None:
    assert headers("static", key="host", value="new") == [{"host": "new"}, {"host": "old"}]
    assert (
        headers("static", key="host", value="new", preserveExisting="false")
        == [{"host": "new"}] * 2
    )


@pytest.mark.parametrize(
    "given", [{"withName": "host"}, {"fromList": "x, host ,y"}, {"matching": "ho.*"}]
)
def test_remove_header(given: dict[str, str]) -> None:
    assert headers("remove_header", **given) == [{}, {}]


def test_remove_header_matches_whole_names() -> None:
    assert headers("remove_header", matching="ho") == [{}, {"host": "old"}]


def test_uuid() -> None:
    ids = [
        row["id"]
        for row in headers(
            "org.apache.flume.sink.solr.morphline.UUIDInterceptor$Builder", prefix="p-"
        )
    ]
    assert len({uuid.UUID(text.removeprefix("p-")) for text in ids}) == 2


def test_regex_filter_finds_anywhere() -> None:
    assert [body for _, body in passed("regex_filter", regex="200|404")] == [b"GET /a 200"]
    assert [body for _, body in passed("regex_filter", regex="^GET", excludeEvents="true")] == [
        b"POST /b 500"
    ]


def test_search_and_replace_has_javas_groups() -> None:
    bodies = [
        body
        for _, body in passed(
            "search_replace",
            searchPattern=r"(?<verb>\p{Upper}+) (\S+)",
            replaceString=r"$2 \$ ${verb}",
        )
    ]
    assert bodies == [b"/a $ GET 200", b"/b $ POST 500"]


def test_what_is_put_there_may_be_nothing_or_a_tab() -> None:
    """An empty text takes what was found away, as in the guide's example."""
    for text, expected in (("", b"GET  200"), ("\t", b"GET \t 200")):
        found = passed("search_replace", searchPattern=r"/\w+", replaceString=text)
        assert found[0][1] == expected
    assert headers("static", key="new", value="")[0] == {"new": ""}


def test_regex_extractor() -> None:
    given = {
        "regex": r"(\w+) \S+ (\d+)",
        "serializers": "v s",
        "serializers.v.name": "verb",
        "serializers.s.name": "status",
    }
    assert headers("regex_extractor", **given) == [
        {"verb": "GET", "status": "200"},
        {"host": "old", "verb": "POST", "status": "500"},
    ]


def test_regex_extractor_leaves_others_alone() -> None:
    given = {"regex": r"POST (\S+)", "serializers": "p", "serializers.p.name": "host"}
    assert headers("regex_extractor", **given) == [{}, {"host": "/b"}]


def test_regex_extractor_makes_milliseconds() -> None:
    batch = EventBatch([b"2012-10-18 18:47:57 x"])
    given = {
        "regex": r"^(\S+ \S+) ",
        "serializers": "t",
        "serializers.t.name": "timestamp",
        "serializers.t.type": "org.apache.flume.interceptor.RegexExtractorInterceptorMillisSerializer",
        "serializers.t.pattern": "yyyy-MM-dd HH:mm:ss",
    }
    expected = datetime.datetime(2012, 10, 18, 18, 47, 57).astimezone().timestamp() * 1000
    assert passed("regex_extractor", batch, **given)[0][0] == {"timestamp": str(round(expected))}


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("regex_filter", {"regex": "("}, "is no regular expression"),
        ("search_replace", {}, "searchPattern=None: must be given"),
        (
            "search_replace",
            {"searchPattern": "a", "replaceString": "$3"},
            "invalid group reference",
        ),
        ("search_replace", {"searchPattern": "a", "charset": "klingon"}, "is no known encoding"),
        ("regex_extractor", {"regex": "a", "serializers": "x"}, "has 0 groups, for 1"),
        (
            "regex_extractor",
            {"regex": "(a)", "serializers": "x"},
            r"serializers\.x\.name=None: must be given",
        ),
        (
            "regex_extractor",
            {"regex": "(a)", "serializers": "x", "serializers.x.nam": "y"},
            "is no property of a serializer",
        ),
    ],
)
def test_wrong_properties_are_named(name: str, given: dict[str, str], told: str) -> None:
    with pytest.raises(InvalidConfig, match=told):
        passed(name, **given)


def test_a_function_of_the_users() -> None:
    def upper(batch: EventBatch) -> EventBatch:
        return batch.with_bodies([body.upper() for body in batch.body_list()])

    assert Call("i", upper, CONTEXT).intercept(EventBatch([b"a"])).body_list() == [b"A"]
    with pytest.raises(InvalidConfig, match="must return an EventBatch, not int"):
        Call("i", len, CONTEXT).intercept(EventBatch([b"a"]))  # type: ignore[arg-type]


def test_java_to_python() -> None:
    assert to_python(r"(?<n>a)[\p{Alpha}_]\p{Digit}(?<!x)") == r"(?P<n>a)[A-Za-z_][0-9](?<!x)"
    assert replacement(r"$1${n}\$\\x") == r"\g<1>\g<n>$\\x"


def test_joda() -> None:
    assert to_strptime("dd/MMM/yyyy:HH:mm:ss Z") == "%d/%b/%Y:%H:%M:%S %z"
    assert to_strptime("yy'T'''HH") == "%yT'%H"
    with pytest.raises(ValueError, match="letter 'G'"):
        to_strptime("G")
