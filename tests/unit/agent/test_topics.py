"""Records in, records out: the Kafka and the logflume components, on directories and on a broker of ours."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from logflume.agent import Sink
from logflume.agent.events import EventBatch
from logflume.agent.kafka.events import Destinations, filled
from logflume.agent.kafka.properties import address_of, read_clients
from logflume.broker import serve
from logflume.errors import InvalidConfig, InvalidRecord
from support import kafka_peer
from support.tls_files import PASSWORD, Certificates

from .conftest import Make
from .running import running, until
from .sinking import opened


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Kafka. LOGFLUME_CONTRACT_KAFKA names one that runs already."""
    if given := os.environ.get("LOGFLUME_CONTRACT_KAFKA"):
        yield given
        return
    broker = kafka_peer.Broker(Path(tmp_path_factory.mktemp("kafka")))
    try:
        yield broker.up()
    finally:
        broker.down(wipe=True)


@pytest.fixture(params=["directory", "broker", pytest.param("kafka", marks=pytest.mark.peers)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where topics are: in a directory, at a broker of ours on one, in a real Kafka."""
    where = tmp_path / "data"
    if request.param == "directory":
        yield Place(str(where), "logflume")
    elif request.param == "kafka":
        yield Place(f"kafka://{request.getfixturevalue('kafka')}", "kafka")
    else:
        with logflume.open(where) as log, serve(log) as broker:
            yield Place(f"kafka://{broker.bootstrap}", "kafka")


class Place:
    """Where topics are, and how components of the agent are told of it."""

    def __init__(self, address: str, kind: str) -> None:
        kafka = kind == "kafka"
        self.address = address
        self.kind = kind
        self.prefix = "kafka." if kafka else ""
        self.where = {"directory": address}
        if kafka:
            self.where = {"kafka.bootstrap.servers": address.removeprefix("kafka://")}
        self.source = "org.apache.flume.source.kafka.KafkaSource" if kafka else "logflume"
        self.sink = "org.apache.flume.sink.kafka.KafkaSink" if kafka else "logflume"
        self.begin = "kafka.consumer.auto.offset.reset" if kafka else "start"
        self.size = "flumeBatchSize" if kafka else "batchSize"
        self.group_property = "kafka.consumer.group.id" if kafka else "group"
        # A Kafka is shared by tests.
        self.into, self.out, self.group = (f"{word}-{uuid.uuid4().hex}" for word in "iog")

    def source_lines(self, topic: str) -> str:
        return (
            self._lines("sources.r", self.source)
            + f"""
            sources.r.{self.prefix}topics = {topic}
            sources.r.{self.begin} = earliest
            sources.r.{self.group_property} = {self.group}
            sources.r.batchSize = 50
            sources.r.channels = c"""
        )

    def sink_lines(self, topic: str) -> str:
        return (
            self._lines("sinks.k", self.sink)
            + f"""
            sinks.k.{self.prefix}topic = {topic}
            sinks.k.{self.size} = 50
            sinks.k.channel = c"""
        )

    def _lines(self, name: str, kind: str) -> str:
        return "\n".join(
            f"{name}.{key} = {value}" for key, value in {"type": kind, **self.where}.items()
        )

    def fill(self, topic: str, count: int, partitions: int = 2) -> list[bytes]:
        values = [b"%d" % n for n in range(count)]
        with logflume.open(self.address) as log:
            log.create_topic(topic, partitions=partitions)
            with log.producer() as producer:
                producer.send_many(topic, values, keys=values)
        return values

    def values(self, topic: str, count: int) -> list[bytes]:
        """What committed readers see, at least `count` of them."""
        with (
            logflume.open(self.address) as log,
            log.consumer(
                topic,
                group=uuid.uuid4().hex,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
            ) as consumer,
        ):
            found: list[bytes] = []

            def enough() -> bool:
                found.extend(record.value or b"" for record in consumer.poll(0.5))
                return len(found) >= count

            until(enough)
            found += [record.value or b"" for record in consumer.poll(0.5)]
            return found


def channel(tmp_path: Path, kind: str = "file") -> str:
    return f"""
        channels = c
        channels.c.type = {kind}
        channels.c.capacity = 10000
        channels.c.transactionCapacity = 1000
        """ + (f"channels.c.dataDirs = {tmp_path / 'channel'}" if kind == "file" else "")


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_from_topic_to_topic(place: Place, tmp_path: Path, kind: str) -> None:
    sent = place.fill(place.into, 1000)
    override = "" if place.kind == "logflume" else "sinks.k.allowTopicOverride = false"
    flow = f"""
        sources = r
        sinks = k
        {channel(tmp_path, kind)}
        {place.source_lines(place.into)}
        {place.sink_lines(place.out)}
        {override}
        """
    with running(flow) as agent:
        until(lambda: agent.sinks["k"].counters["EventDrainSuccessCount"] >= 1000)
    assert sorted(place.values(place.out, 1000)) == sorted(sent)
    with running(flow) as agent:  # goes on behind what it has done
        with logflume.open(place.address) as log, log.producer() as producer:
            producer.send(place.into, b"more").result(60)
        until(lambda: agent.sinks["k"].counters["EventDrainSuccessCount"] == 1)
    assert sorted(place.values(place.out, 1001)) == sorted([*sent, b"more"])


def test_the_channels_place_is_in_the_transaction(place: Place) -> None:
    if place.kind != "kafka":
        pytest.skip("the logflume sink has tests of its own")
    given = {place.prefix + "topic": place.out, **place.where}
    given = {name.replace(".", "__"): value for name, value in given.items()}
    with opened(place.sink, **given) as sink:
        sink.restore(None)
        note = sink.note()
        assert sink.stored_place() is None
        sink.write(EventBatch([b"1", b"2"]))
        sink.settle_at("two")
        sink.write(EventBatch([b"3"]))
        sink.settle_at("three")
        sink.write(EventBatch([b"4"]))  # and not settled
        sink.restore(note)
        assert sink.stored_place() == "three"
        sink.write(EventBatch([b"5"]))
    with opened(place.sink, **given) as sink:  # after a crash
        sink.restore(note)
        assert sink.stored_place() == "three"
        sink.write(EventBatch([b"6"]))
        sink.settle_at("six")
    assert place.values(place.out, 4) == [b"1", b"2", b"3", b"6"]
    with opened(place.sink, **given) as sink:  # another channel's note, or none: another place
        sink.restore(None)
        assert sink.stored_place() is None


def test_a_source_passes_over_what_its_channel_has(place: Place, flow: Make) -> None:
    sent = place.fill(place.into, 100, partitions=1)
    given = {
        place.prefix + "topics": place.into,
        place.begin: "earliest",
        place.group_property: place.group,
        **place.where,
    }
    key = f"{place.group}/{place.into}-0"
    # In batches that end before that: none of them may take the place back.
    one = flow(place.source, {key: "60"}, **given, batchSize="7").start()
    assert one.until(40) == sent[60:]
    one.stop()
    assert one.stored == {key: "100"}
    again = flow(place.source, **given, batchSize="7").start()
    with logflume.open(place.address) as log, log.producer() as producer:
        producer.send(place.into, b"new").result(60)
    assert again.until(1) == [b"new"]  # the group's own offset


@pytest.mark.parametrize("events", ["true", "false"])
def test_the_kafka_channel(place: Place, tmp_path: Path, events: str) -> None:
    """One agent puts, another takes; a sink that fails gets its events again."""
    if place.kind != "kafka":
        pytest.skip("is for clusters")
    channel = "\n".join(
        f"channels.c.{name} = {value}"
        for name, value in {
            "type": "org.apache.flume.channel.kafka.KafkaChannel",
            **place.where,
            "kafka.topic": place.into,
            "kafka.consumer.group.id": place.group,
            "parseAsFlumeEvent": events,
        }.items()
    )
    puts = f"""
        sources = r
        channels = c
        sources.r.type = seq
        sources.r.totalEvents = 300
        sources.r.batchSize = 50
        sources.r.interceptors = i
        sources.r.interceptors.i.type = static
        sources.r.interceptors.i.key = key
        sources.r.interceptors.i.value = mine
        sources.r.channels = c
        {channel}
        """
    takes = f"""
        channels = c
        sinks = k
        {channel}
        sinks.k.type = {__name__}:Remembers
        sinks.k.channel = c
        """
    with running(puts, warn=True) as agent:
        assert agent.wait(60)
        assert agent.channels["c"].counters["EventPutSuccessCount"] == 300
    with running(takes, warn=True) as agent:
        sink = agent.sinks["k"]
        assert isinstance(sink, Remembers)
        until(lambda: len(sink.seen) >= 300)
    assert sorted(int(body) for _, body in sink.seen) == list(range(300))
    assert {headers["key"] for headers, _ in sink.seen} == {"mine"}
    with logflume.open(place.address) as log, log.consumer(group=place.group) as consumer:
        done = sum(
            consumer.committed(place.into, n) or 0
            for n in range(log.describe_topic(place.into).partitions)
        )
    assert done == 300


class Remembers(Sink):
    """Fails once."""

    def setup(self) -> None:
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.tried = 0

    def write(self, batch: EventBatch) -> None:
        self.tried += 1
        if self.tried == 2:
            raise OSError("not now")
        self.seen += zip(batch.rows(), batch.body_list(), strict=True)


def test_headers_of_kafkas_source(tmp_path: Path, flow: Make) -> None:
    with logflume.open(tmp_path / "data") as log, serve(log) as broker:
        log.create_topic("in")
        with log.producer() as producer:
            producer.send("in", b"v", key=b"k", headers=[("h", b"x")], timestamp=123)
            producer.send("in", None, timestamp=124)
        one = flow(
            "org.apache.flume.source.kafka.KafkaSource",
            **{
                "kafka.bootstrap.servers": broker.bootstrap,
                "kafka.topics.regex": "i.",
                "kafka.consumer.auto.offset.reset": "earliest",
                "kafka.consumer.group.id": "other",
                "header.mine": "h",
                "topicHeader": "from",
            },
        ).start()
        one.until(2)
        one.stop()
    common = {"from": "in", "partition": "0"}
    assert one.events == [
        ({"timestamp": "123", "mine": "x", **common, "offset": "0", "key": "k"}, b"v"),
        ({"timestamp": "124", **common, "offset": "1"}, b""),
    ]


def test_events_in_avro_keep_their_headers(tmp_path: Path, flow: Make) -> None:
    with logflume.open(tmp_path / "data") as log, serve(log) as broker:
        where = {"kafka.bootstrap.servers": broker.bootstrap, "useFlumeEventFormat": "true"}
        rows = [({"a": "x", "key": "k"}, b"1"), ({"b": "y"}, b"2"), ({"topic": "else"}, b"3")]
        given = {name.replace(".", "__"): value for name, value in where.items()}
        given |= {"exactlyOnce": "false", "kafka__topic": "t", "kafka__producer__acks": "all"}
        with opened("org.apache.flume.sink.kafka.KafkaSink", **given) as sink:
            sink.restore(None)
            sink.write(EventBatch.of_rows(rows))
            sink.settle_at(None)
        assert log.topics() == ["else", "t"]
        one = flow(
            "org.apache.flume.source.kafka.KafkaSource",
            **where,
            **{"kafka.topics": "t", "kafka.consumer.auto.offset.reset": "earliest"},
        ).start()
        one.until(2)
        one.stop()
    assert [body for _, body in one.events] == [b"1", b"2"]
    assert [{n: h[n] for n in ("a", "b", "key") if n in h} for h, _ in one.events] == [
        {"a": "x", "key": "k"},
        {"b": "y"},
    ]


def test_destinations() -> None:
    batch = EventBatch.of_rows(
        [({"t": "a", "p": "1"}, b"0"), ({"p": "0"}, b"1"), ({"t": "a", "p": "1"}, b"2")]
    )

    def split(*given: object) -> list[tuple[str, int | None, list[bytes]]]:
        parts = Destinations(*given).split(batch)  # type: ignore[arg-type]
        return [(topic, number, events.body_list()) for topic, number, events in parts]

    assert split("x", None, None, None) == [("x", None, [b"0", b"1", b"2"])]
    assert split("x", None, None, 7) == [("x", 7, [b"0", b"1", b"2"])]
    assert split("x", "t", None, None) == [("a", None, [b"0", b"2"]), ("x", None, [b"1"])]
    assert split("x", None, "p", None) == [("x", 1, [b"0", b"2"]), ("x", 0, [b"1"])]
    assert split("x-%{t}", None, None, None) == [("x-a", None, [b"0", b"2"]), ("x-", None, [b"1"])]
    assert filled("%{a}%{b}%{", {"a": "1"}) == "1%{"
    with pytest.raises(InvalidRecord, match="is no partition"):
        Destinations("x", None, "t", None).split(batch)


def test_javas_properties(tmp_path: Path) -> None:
    files = Certificates(tmp_path)
    clients = read_clients(
        {
            "acks": "all",
            "linger.ms": "5",
            "key.serializer": "org.apache.kafka.common.serialization.StringSerializer",
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
            "sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule required"
            ' username="me" password="a\\"b;";',
            "ssl.truststore.location": str(files.trust_store),
            "ssl.truststore.password": PASSWORD,
            "ssl.keystore.location": str(files.key_store),
            "ssl.keystore.password": PASSWORD,
            "ssl.keystore.type": "PKCS12",
            "ssl.endpoint.identification.algorithm": "",
        },
        {"auto.offset.reset": "earliest", "group.instance.id": "a"},
    )
    assert clients.producer == {"acks": "all", "linger.ms": "5"}
    assert clients.consumer == {
        "auto.offset.reset": "earliest",
        "group.instance.id": "a",
    }
    pem = clients.connection.pop("ssl.key.pem")
    assert clients.connection.pop("ssl.certificate.pem") == pem
    assert "PRIVATE KEY" in pem
    assert clients.connection.pop("ssl.ca.pem").startswith("-----BEGIN CERT")
    assert clients.connection == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "me",
        "sasl.password": 'a"b;',
        "ssl.endpoint.identification.algorithm": "none",
    }


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("enable.auto.commit", "true", "never by the clock"),
        ("interceptor.classes", "a.B", "there is no Java"),
        ("transactional.id", "x", "made by the sink itself"),
        ("sasl.jaas.config", "com.sun.security.auth.module.Krb5LoginModule required;", "is not"),
        ("sasl.jaas.config", 'x.PlainLoginModule required username="a";', "has no password"),
        ("acks", "7", "acks"),
    ],
)
def test_what_java_can_do_and_we_cannot(name: str, value: str, reason: str) -> None:
    with pytest.raises(InvalidConfig, match=reason):
        read_clients({name: value}, {})


def test_addresses() -> None:
    assert address_of("a:1, b:2") == "kafka://a:1,b:2"
    with pytest.raises(InvalidConfig, match="at least one"):
        address_of(" ,")
