"""What is wrong with a configuration is said, all of it, with the property's name."""

from __future__ import annotations

import pytest

from logflume.agent.checking import problems_of
from logflume.agent.plan import Plan
from logflume.agent.reading import agents_in, plan_of

GOOD = {
    "a.sources": "r",
    "a.channels": "c d",
    "a.sinks": "k",
    "a.sources.r.type": "seq",
    "a.sources.r.channels": "c d",
    "a.channels.c.type": "memory",
    "a.channels.d.type": "memory",
    "a.sinks.k.type": "null",
    "a.sinks.k.channel": "c",
}


def planned(**changes: str | None) -> Plan:
    merged = {**GOOD, **{name.replace("__", "."): value for name, value in changes.items()}}
    return plan_of({n: v for n, v in merged.items() if v is not None}, "a")


def told(plan: Plan) -> list[str]:
    return [str(problem) for problem in plan.problems]


def test_a_good_one_has_no_problems() -> None:
    plan = planned()
    assert told(plan) == []
    assert plan.sources["r"].channels == ("c", "d")
    assert plan.groups["k"].sinks == ("k",)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"a__sources__r__type": "sec"}, "error: a.sources.r.type: 'sec' there is no such source"),
        ({"a__sources__r__type": None}, "error: a.sources.r.type: must be given"),
        (
            {"a__sources__r__type": "jms"},
            "error: a.sources.r.type: 'jms' this source is not served",
        ),
        ({"a__sources__r__type": "no.such:Thing"}, "cannot be imported"),
        (
            {"a__sources__r__type": "org.apache.flume.source.avroLegacy.AvroLegacySource"},
            "this source is not served: Flume 0.9 is no more",
        ),
        ({"a__sinks__k__type": "elasticsearch"}, "this sink is not served: Flume dropped it, too"),
        (
            {"a__sources__r__type": "org.apache.flume.source.AvroSourze"},
            "did you mean 'org.apache.flume.source.AvroSource'?",
        ),
        ({"a__sources__r__channels": None}, "error: a.sources.r.channels: must be given"),
        (
            {"a__sources__r__channels": "c e"},
            "error: a.sources.r.channels: e is not named in a.channels",
        ),
        ({"a__sinks__k__channel": "c d"}, "error: a.sinks.k.channel: a sink has one channel"),
        (
            {"a__sinks__k__chanel": "c"},
            "warning: a.sinks.k.chanel: unknown property of a null sink",
        ),
        ({"a__sources__r__batchSise": "5"}, "did you mean batchSize?"),
        (
            {"a__sources__r__batchSize": "x"},
            "error: a.sources.r.batchSize: 'x' must be a whole number",
        ),
        ({"a__sources__r__batchSize": "500"}, "is more than the transactionCapacity of c (100)"),
        ({"a__channels__c__transactionCapacity": "500"}, "is more than capacity (100)"),
        ({"a__sources__x__type": "seq"}, "warning: a.sources.x: is not named in a.sources"),
        ({"a__color": "red"}, "warning: a.color: unknown"),
        (
            {
                "a__sources__r__type": "http",
                "a__sources__r__port": "0",
                "a__sources__r__QueuedThreadPool__maxThreads": "5",
            },
            "warning: a.sources.r.QueuedThreadPool.maxThreads: no effect: There is no Jetty here.",
        ),
        (
            {"a__sources__r__interceptors": "i"},
            "error: a.sources.r.interceptors.i.type: must be given",
        ),
        (
            {"a__sources__r__interceptors__j__type": "host"},
            "is not named in a.sources.r.interceptors",
        ),
        ({"a__sources__r__selector__optional": "z"}, "'z' is not among the source's channels"),
        ({"a__sources": "r r"}, "warning: a.sources: names r twice"),
        (
            {"a__channels__c__type": "SPILLABLEMEMORY", "a__channels__c__avgEventSize": "5"},
            "warning: a.channels.c.avgEventSize: no effect",
        ),
    ],
)
def test_problems(changes: dict[str, str | None], expected: str) -> None:
    plan = planned(**changes)
    if "transactionCapacity" in str(changes):
        from logflume.agent.agent import Agent

        with pytest.raises(ValueError, match="is more than capacity"):
            Agent(plan)
        return
    assert any(expected in line for line in told(plan)), told(plan)


def test_an_unknown_agent_names_those_there_are() -> None:
    plan = plan_of(GOOD, "b")
    assert "the file describes: a" in told(plan)[0]
    assert agents_in(GOOD) == ["a"]


def test_groups_are_checked() -> None:
    base = {"a__sinks": "k l", "a__sinks__l__type": "null", "a__sinkgroups": "g"}
    group = {"a__sinkgroups__g__sinks": "k l", "a__sinkgroups__g__processor__type": "load_balance"}
    assert told(planned(**base, **group, a__sinks__l__channel="c")) == []
    assert "have one channel" in "".join(told(planned(**base, **group, a__sinks__l__channel="d")))
    strange = {**group, "a__sinkgroups__g__sinks": "k z"}
    assert "z is not named in a.sinks" in "".join(
        told(planned(**base, **strange, a__sinks__l__channel="c"))
    )


@pytest.mark.parametrize(
    "name",
    [
        "org.apache.flume.interceptor.TimestampInterceptor$Builder",
        "org.apache.flume.interceptor.HostInterceptor",
        "TIMESTAMP",
    ],
)
def test_flumes_class_names_are_known(name: str) -> None:
    plan = planned(a__sources__r__interceptors="i", a__sources__r__interceptors__i__type=name)
    assert told(plan) == []


def test_what_components_find_wrong_is_said_before_anything_starts() -> None:
    """Parsing alone does not see it; `agent validate` does, and opens nothing for it."""
    plan = planned(
        a__sources__r__type="http",
        a__sources__r__port="0",
        a__sources__r__handler="org.example.Handler",
        a__sinks__k__type="avro",
        a__sinks__k__hostname="h",
        a__sinks__k__port="1",
        a__sinks__k__ssl="true",
        a__sinks__k__truststore="/is/not/there.p12",
        a__channels__d__capacity="10",
    )
    assert not plan.errors
    said = [str(problem) for problem in problems_of(plan)]
    assert [one.partition(":")[2].partition(":")[0].strip() for one in said] == [
        "a.sources.r.handler",
        "a.channels.d.transactionCapacity",
        "a.sinks.k.truststore",
    ]
    assert said[2].endswith("'/is/not/there.p12' cannot be read: No such file or directory")


def test_a_keystore_of_kafkas_that_is_missing_is_a_problem_of_its_property() -> None:
    plan = planned(
        a__sources__r__type="org.apache.flume.source.kafka.KafkaSource",
        a__sources__r__batchSize="1",
        **{
            "a__sources__r__kafka.bootstrap.servers": "h:1",
            "a__sources__r__kafka.topics": "t",
            "a__sources__r__kafka.consumer.ssl.truststore.location": "/is/not/there.jks",
        },
    )
    assert [problem.property for problem in plan.errors] == [
        "a.sources.r.kafka.consumer.ssl.truststore.location"
    ]
