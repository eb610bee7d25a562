"""`logflume serve` beside a real Kafka, the same clients in the same run. By `make bench-broker`: it takes minutes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.harness import Amount, Contest, Contestant, Goal, Job, Times, Took
from bench.payload import values
from bench.peers.clients import PINGS, TRANSACTIONS, Client
from bench.peers.kafka import Kafka, missing
from bench.peers.serving import Serving, cpu_s, own_mb
from bench.programs import start

OURS, KAFKA = "logflume serve", "Kafka"
COUNTS = {100: 300_000, 1024: 100_000}
JAVA_COUNTS = {100: 1_000_000, 1024: 200_000}  # a JVM's client is a JVM, too
ROUNDS = 4  # each is first in half of them
WARM_UP = 2_000_000  # a JVM that was just started takes two to three times the processor time for a request
ABOUT = "one partition, librdkafka from Python; Kafka 4.3 was warmed up with two million records; CPU is the brokers'"
Work = Callable[[Client, str, str], Took | Times]


@pytest.fixture(scope="module")
def kafka(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kafka]:
    if not request.config.getoption("--broker"):
        pytest.skip("a Kafka beside the broker takes minutes: make bench-broker")
    if reason := missing():
        pytest.skip(f"KAFKA IS NOT COMPARED WITH: {reason}")
    with Kafka.running(tmp_path_factory.mktemp("kafka") / "node") as running:
        running.create_topic("warm-up")
        running.put_each("warm-up", values(100, WARM_UP))
        running.read_all("warm-up", WARM_UP)
        yield running


@pytest.fixture(scope="module")
def ours(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    if not request.config.getoption("--broker"):
        pytest.skip("a Kafka beside the broker takes minutes: make bench-broker")
    with Serving.running(tmp_path_factory.mktemp("serving") / "data") as running:
        yield running


def contestant(
    name: str,
    address: str,
    pid: int,
    client: Client,
    count: int,
    work: Work,
    *,
    filled: bool = False,
) -> Contestant:
    """A topic of its own in each round; `filled` before the clock starts. CPU is the broker's."""

    @contextmanager
    def open_(_: Path) -> Iterator[Job]:
        with client.topic(address) as topic:
            if filled:
                client.produce(address, topic)

            def job() -> Took | Times:
                before = cpu_s(pid)
                result = work(client, address, topic)
                if isinstance(result, Took):
                    return Took(result.seconds, cpu_s(pid) - before)
                return result

            yield job

    return Contestant(name, "logflume" if name == OURS else "peer", count, open_)


def compete(
    contest: Contest, path: str, ours: Serving, kafka: Kafka, client: Client, count: int, work: Work,
    *, about: str, filled: bool = False, unit: str = "records",
) -> None:  # fmt: skip
    contest.run(
        path,
        [
            contestant(OURS, ours.address, ours.pid, client, count, work, filled=filled),
            contestant(KAFKA, kafka.address, kafka.pid(), client, count, work, filled=filled),
        ],
        about=f"{about}; {ABOUT}",
        unit=unit,
        goals=[
            Goal(OURS, "≥ 1 × Kafka (aim 2 ×)", beside=KAFKA, share=1),
            *(
                [Goal(OURS, "p99 lower", beside=KAFKA, share=1, percentile="p99")]
                if unit == "trips"
                else []
            ),
        ],
        cpu="unseen" if unit == "trips" else "shown",
        rounds=ROUNDS,
    )


@pytest.mark.parametrize("codec", ["none", "lz4"])
@pytest.mark.parametrize("acks", ["1", "all"])
@pytest.mark.parametrize("value_bytes", COUNTS)
def test_producing(
    contest: Contest, ours: Serving, kafka: Kafka, value_bytes: int, acks: str, codec: str
) -> None:
    client = Client(value_bytes, acks, codec, COUNTS[value_bytes])
    path = f"Broker: producing {value_bytes} B, acks={acks}, {codec}"
    about = (
        "until the last is acknowledged; with acks=all ours are on disk, a Kafka's in its memory"
    )
    compete(contest, path, ours, kafka, client, COUNTS[value_bytes], Client.produce, about=about)


@pytest.mark.parametrize("codec", ["none", "lz4"])
@pytest.mark.parametrize("value_bytes", COUNTS)
def test_consuming(
    contest: Contest, ours: Serving, kafka: Kafka, value_bytes: int, codec: str
) -> None:
    client = Client(value_bytes, "1", codec, COUNTS[value_bytes])
    path = f"Broker: consuming {value_bytes} B, {codec}"
    about = "from the beginning, in lists"
    compete(
        contest,
        path,
        ours,
        kafka,
        client,
        COUNTS[value_bytes],
        Client.consume,
        about=about,
        filled=True,
    )


@pytest.mark.parametrize("acks", ["1", "all"])
@pytest.mark.parametrize("value_bytes", COUNTS)
def test_end_to_end(
    contest: Contest, ours: Serving, kafka: Kafka, value_bytes: int, acks: str
) -> None:
    client = Client(value_bytes, acks, "none", PINGS)
    path = f"Broker: from produce to poll, {value_bytes} B, acks={acks}"
    about = (
        "1,000 records a second, linger 0; the consumer reads what is not yet synced, as Kafka's do"
    )
    compete(contest, path, ours, kafka, client, PINGS, Client.ping, about=about, unit="trips")


def test_transactions(contest: Contest, ours: Serving, kafka: Kafka) -> None:
    client = Client(100, "all", "none", TRANSACTIONS)
    path = "Broker: transactions of 10 records"
    about = (
        "one client, one after the other; ours are on disk when committed, a Kafka's in its memory"
    )
    work = Client.transact
    compete(
        contest, path, ours, kafka, client, TRANSACTIONS, work, about=about, unit="transactions"
    )


def java(
    contest: Contest, ours: Serving, kafka: Kafka, value_bytes: int, tool: str,
    run: Callable[[Kafka, str, int], Took], *, filled: bool, about: str,
) -> None:  # fmt: skip
    """One of Kafka's own perf tools beside both."""
    count = JAVA_COUNTS[value_bytes]
    client = Client(value_bytes, "1", "none", count)

    def contender(name: str, node: Kafka) -> Contestant:
        @contextmanager
        def open_(_: Path) -> Iterator[Job]:
            with client.topic(node.address) as topic:
                if filled:
                    client.produce(node.address, topic)
                yield lambda: run(node, topic, count)

        return Contestant(name, "logflume" if name == OURS else "peer", count, open_)

    contest.run(
        f"Broker: Kafka's {tool} perf test, {value_bytes} B",
        [contender(OURS, Kafka(kafka.where, ours.address)), contender(KAFKA, kafka)],
        about=f"{about}; the Java client tells its own rate",
        goals=[Goal(OURS, "≥ 1 × Kafka (aim 2 ×)", beside=KAFKA, share=1)],
        cpu="unseen",
        rounds=ROUNDS,
        warmup=False,
    )


@pytest.mark.parametrize("value_bytes", COUNTS)
def test_java_producer(contest: Contest, ours: Serving, kafka: Kafka, value_bytes: int) -> None:
    def run(node: Kafka, topic: str, count: int) -> Took:
        return node.perf_producer(topic, count, value_bytes)

    about = "acks=1, linger 5 ms, batches of 64 KiB"
    java(contest, ours, kafka, value_bytes, "producer", run, filled=False, about=about)


@pytest.mark.parametrize("value_bytes", COUNTS)
def test_java_consumer(contest: Contest, ours: Serving, kafka: Kafka, value_bytes: int) -> None:
    about = "from the beginning, batches of librdkafka's"
    run = Kafka.perf_consumer
    java(contest, ours, kafka, value_bytes, "consumer", run, filled=True, about=about)


def test_memory(contest: Contest, ours: Serving, kafka: Kafka) -> None:
    """After all that is above."""

    def holding(name: str, pid: int) -> Contestant:
        @contextmanager
        def open_(_: Path) -> Iterator[Job]:
            yield lambda: Amount(own_mb(pid))

        return Contestant(name, "logflume" if name == OURS else "peer", 1, open_)

    contest.run(
        "Broker: memory behind the runs above",
        [holding(OURS, ours.pid), holding(KAFKA, kafka.pid())],
        about="the process's own; mapped pages of segments, which the kernel takes back at will, do not count, as"
        " Kafka's page cache does not",
        unit="MB",
        goals=[Goal(OURS, "≤ 0.1 × Kafka", beside=KAFKA, share=10)],
        cpu="unseen",
        rounds=1,
        warmup=False,
    )


def test_start(contest: Contest, kafka: Kafka) -> None:
    def ours(where: Path) -> Iterator[Job]:
        def job() -> Took:
            began = time.perf_counter()
            with Serving.running(where / "data"):
                return Took(time.perf_counter() - began)

        yield job

    def theirs(where: Path) -> Iterator[Job]:
        def job() -> Took:
            began = time.perf_counter()
            with Kafka.running(where / "node"):
                return Took(time.perf_counter() - began)

        yield job

    contest.run(
        "Broker: start",
        [
            Contestant(OURS, "logflume", 1, contextmanager(ours)),
            Contestant(KAFKA, "peer", 1, contextmanager(theirs)),
        ],
        about="from the start of the process to where clients can connect, on an empty directory",
        unit="starts",
        goals=[
            Goal(OURS, "≤ 300 ms", at_most=300e6),
            Goal(OURS, "≤ 0.02 × Kafka", beside=KAFKA, share=50),
        ],
        cpu="unseen",
        rounds=3,
        warmup=False,
    )


@pytest.mark.parametrize("wait_ms", [30_000, 500])
def test_idle_consumers(contest: Contest, ours: Serving, wait_ms: int) -> None:
    """A thousand that wait; no Kafka beside them."""

    client = Client(100, "1", "none", 1)

    @contextmanager
    def open_(_: Path) -> Iterator[Job]:
        with client.topic(ours.address) as topic:

            def job() -> Amount:
                words = (ours.address, topic, ours.pid, 1000, wait_ms, 10)
                out, _ = start("idle_pollers", *words).communicate()
                return Amount(json.loads(out)["share"] * 100)

            yield job

    goal = Goal(OURS, "≤ 2 % of a core", at_most=2)
    contest.run(
        f"Broker: 1,000 idle consumers, waits of {wait_ms / 1000:g} s",
        [Contestant(OURS, "logflume", 1, open_)],
        about="processor time of the broker while nothing is written; what it costs is that each asks again when its"
        " wait is over, 500 ms by default",
        unit="% of a core",
        goals=[goal] if wait_ms > 500 else [],
        cpu="unseen",
        rounds=2,
        warmup=False,
    )
