"""Client quotas: who writes or reads too much is told to wait, and kept waiting; others are not."""

from __future__ import annotations

import time
from typing import Any

import confluent_kafka
import pytest

import logflume
from logflume._native.batches import encode_batch
from logflume.broker import ThreadedBroker
from logflume.broker.api_keys import ApiKey as Api
from logflume.broker.clock import SystemClock
from logflume.broker.security.quotas import CONSUMER, PRODUCER, Quotas
from logflume.broker.security.store import SecurityState, SecurityStore
from logflume.config import BrokerConfig, parse
from support.logins import cut_off
from support.wire import Wire

BATCH = encode_batch([(b"x" * 10_000, None, None, 1_700_000_000_000)])


def entity(*pairs: tuple[str, str | None]) -> list[dict[str, str | None]]:
    return [{"entity_type": kind, "entity_name": name} for kind, name in pairs]


def alter(wire: Wire, who: list[dict[str, str | None]], **values: float | None) -> int:
    ops = [
        {"key": key, "value": value or 0.0, "remove": value is None}
        for key, value in values.items()
    ]
    answer = wire.ask(
        Api.ALTER_CLIENT_QUOTAS, 1, entries=[{"entity": who, "ops": ops}], validate_only=False
    )
    time.sleep(0.06)
    return int(answer.entries[0].error_code)


class Standing(SystemClock):
    def monotonic(self) -> float:
        return 0.0


def described(wire: Wire, *components: tuple[str, int, str | None], strict: bool = False) -> Any:
    asked = [
        {"entity_type": kind, "match_type": match, "match": name}
        for kind, match, name in components
    ]
    answer = wire.ask(Api.DESCRIBE_CLIENT_QUOTAS, 1, components=asked, strict=strict)
    assert answer.error_code == 0
    return {
        tuple((e.entity_type, e.entity_name) for e in one.entity): {
            v.key: v.value for v in one.values
        }
        for one in answer.entries
    }


def produce(wire: Wire, acks: int = 1) -> int:
    part = {"index": 0, "records": BATCH}
    asked = {
        "transactional_id": None,
        "acks": acks,
        "timeout": 1000,
        "topic_data": [{"name": "t", "partition_data": [part]}],
    }
    answer = wire.ask(Api.PRODUCE, 8, **asked)
    return round(answer.throttle_time.total_seconds() * 1000)


def fetch(wire: Wire) -> tuple[int, int]:
    """(bytes of records, throttle time in ms)."""
    part = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 30}
    answer = wire.ask(
        Api.FETCH,
        4,
        replica_id=-1,
        max_wait=0,
        min_bytes=0,
        max_bytes=1 << 30,
        isolation_level=0,
        topics=[{"topic": "t", "partitions": [part]}],
    )
    size = sum(len(p.records or b"") for r in answer.responses for p in r.partitions)
    return size, round(answer.throttle_time.total_seconds() * 1000)


def test_who_writes_too_much_waits_and_others_do_not(log: logflume.Log) -> None:
    log.create_topic("t")
    with (
        logflume.serve(log, quota_window_num=2) as broker,
        Wire(broker.bootstrap, "greedy") as greedy,
        Wire(broker.bootstrap, "modest") as modest,
        Wire(broker.bootstrap, "admin") as admin,
    ):
        assert alter(admin, entity(("client-id", "greedy")), producer_byte_rate=20_000) == 0
        # Nothing more is saved up while the test runs, however long that takes.
        broker.broker.quotas._clock = Standing()
        assert produce(greedy) == 0  # of what was saved up
        told = [produce(greedy)]
        assert told[0] < 600
        start = time.monotonic()
        told.append(produce(greedy))
        assert 200 < max(told) < 1000
        assert produce(modest) == 0
        produce(greedy)
        assert time.monotonic() - start > 0.8 * told[-1] / 1000
        assert alter(admin, entity(("client-id", "greedy")), producer_byte_rate=None) == 0
        assert described(admin) == {}
        produce(greedy)
        assert produce(greedy) == 0


def test_who_reads_too_much_gets_less_and_waits(log: logflume.Log) -> None:
    log.create_topic("t")
    for _ in range(100):
        log.partition("t", 0).append(b"x" * 10_000)
    with (
        logflume.serve(log, quota_window_num=2) as broker,
        Wire(broker.bootstrap, "greedy") as greedy,
    ):
        assert fetch(greedy)[0] > 1_000_000
        assert alter(greedy, entity(("client-id", None)), consumer_byte_rate=50_000) == 0
        size, _ = fetch(greedy)
        assert 10_000 < size <= 50_000
        start = time.monotonic()
        total, told = 0, 0
        for _ in range(4):
            size, wait_ms = fetch(greedy)
            total, told = total + size, max(told, wait_ms)
        took = time.monotonic() - start
        assert told > 0
        assert total / (took + told / 1000 + 1) < 60_000


def test_real_clients_are_kept_to_their_rate(log: logflume.Log, broker: ThreadedBroker) -> None:
    with Wire(broker.bootstrap) as admin:
        assert alter(admin, entity(("client-id", "slow")), producer_byte_rate=100_000) == 0
    throttled: list[int] = []
    client = confluent_kafka.Producer(
        {
            "bootstrap.servers": broker.bootstrap,
            "client.id": "slow",
            "throttle_cb": lambda event: throttled.append(event.throttle_time),
            "log_level": 0,
        }
    )
    start = time.monotonic()
    for _ in range(3):  # 0.65 MB each; 1 MB was saved up
        for _ in range(65):
            client.produce("t", b"x" * 10_000, partition=0)
        assert client.flush(60) == 0
    assert time.monotonic() - start > 1.5
    assert throttled
    assert log.partition("t", 0).end_offset == 195


def test_filters_find_what_is_meant(broker: ThreadedBroker) -> None:
    with Wire(broker.bootstrap) as wire:
        for number, who in enumerate(
            (
                (("user", "a"),),
                (("user", None),),
                (("client-id", "c"), ("user", "a")),
                (("client-id", None),),
                (("ip", "1.2.3.4"),),
            )
        ):
            key = "connection_creation_rate" if who[0][0] == "ip" else PRODUCER
            assert alter(wire, entity(*who), **{key: 100.0 + number}) == 0
        assert len(described(wire)) == 5
        assert list(described(wire, ("user", 0, "a"), strict=True)) == [(("user", "a"),)]
        assert len(described(wire, ("user", 0, "a"))) == 2
        assert list(described(wire, ("user", 1, None))) == [(("user", None),)]
        assert len(described(wire, ("user", 2, None))) == 3
        assert described(wire, ("ip", 2, None)) == {
            (("ip", "1.2.3.4"),): {"connection_creation_rate": 104.0}
        }


@pytest.mark.parametrize(
    ("who", "values"),
    [
        ((("user", "a"),), {"request_percentage": 10.0}),
        ((("user", "a"),), {"connection_creation_rate": 10.0}),
        ((("user", "a"),), {"producer_byte_rate": -1.0}),
        ((("user", "a"),), {"producer_byte_rate": float("nan")}),
        ((("planet", "a"),), {"producer_byte_rate": 1.0}),
        ((("ip", "a"), ("user", "a")), {"producer_byte_rate": 1.0}),
        ((("user", "a"), ("user", "b")), {"producer_byte_rate": 1.0}),
        ((("user", ""),), {"producer_byte_rate": 1.0}),
        ((), {"producer_byte_rate": 1.0}),
    ],
)
def test_quotas_that_would_not_be_kept_are_refused(
    broker: ThreadedBroker, who: tuple[tuple[str, str | None], ...], values: dict[str, float]
) -> None:
    with Wire(broker.bootstrap) as wire:
        assert alter(wire, entity(*who), **values) == 42
        assert described(wire) == {}


def test_new_connections_of_an_address_are_counted(broker: ThreadedBroker) -> None:
    with Wire(broker.bootstrap) as admin:
        assert alter(admin, entity(("ip", "127.0.0.1")), connection_creation_rate=1.0) == 0
        with Wire(broker.bootstrap) as first, Wire(broker.bootstrap) as second:
            assert not cut_off(first)
            assert cut_off(second)
        assert alter(admin, entity(("ip", "127.0.0.1")), connection_creation_rate=None) == 0
        with Wire(broker.bootstrap) as third:
            assert not cut_off(third)


def test_connections_of_one_address_are_capped(log: logflume.Log) -> None:
    with (
        logflume.serve(log, max_connections_per_ip=1) as broker,
        Wire(broker.bootstrap) as first,
        Wire(broker.bootstrap) as second,
    ):
        assert not cut_off(first)
        assert cut_off(second)
    overrides = {"max_connections_per_ip": 1, "max_connections_per_ip_overrides": "127.0.0.1:2"}
    with (
        logflume.serve(log, **overrides) as broker,
        Wire(broker.bootstrap) as first,
        Wire(broker.bootstrap) as second,
        Wire(broker.bootstrap) as third,
    ):
        assert not cut_off(first)
        assert not cut_off(second)
        assert cut_off(third)
    with logflume.serve(log, max_connection_creation_rate=2) as broker:
        wires = [Wire(broker.bootstrap) for _ in range(5)]
        assert [cut_off(wire) for wire in wires].count(True) >= 2
        for wire in wires:
            wire.close()


# ---- whose quota it is


class StoppedClock(SystemClock):
    now = 100.0

    def monotonic(self) -> float:
        return self.now


def quotas(*given: tuple[tuple[tuple[str, str | None], ...], float]) -> Quotas:
    state = SecurityState(quotas={who: {PRODUCER: rate} for who, rate in given})
    return Quotas(parse(BrokerConfig, {}), StoppedClock(), lambda: state)


def test_the_most_particular_quota_counts() -> None:
    ladder = [
        (("client-id", "c"), ("user", "u")),
        (("client-id", None), ("user", "u")),
        (("user", "u"),),
        (("client-id", "c"), ("user", None)),
        (("client-id", None), ("user", None)),
        (("user", None),),
        (("client-id", "c"),),
        (("client-id", None),),
    ]
    rates = [(who, 1.0 + number) for number, who in enumerate(ladder)]
    for number in range(len(ladder)):
        bucket = quotas(*rates[number:]).bucket(PRODUCER, "User:u", "c")
        assert bucket is not None
        assert bucket.rate == 1.0 + number
    assert quotas((ladder[2], 1.0)).bucket(PRODUCER, "User:v", "c") is None
    assert quotas((ladder[2], 1.0)).bucket(CONSUMER, "User:u", "c") is None


def test_a_users_clients_share_what_is_the_users() -> None:
    one = quotas(((("user", "u"),), 100.0))
    assert one.bucket(PRODUCER, "User:u", "c") is one.bucket(PRODUCER, "User:u", "d")
    each = quotas(((("user", None),), 100.0))
    assert each.bucket(PRODUCER, "User:u", "c") is not each.bucket(PRODUCER, "User:v", "c")


def test_what_is_taken_too_much_is_waited_for() -> None:
    one = quotas(((("user", "u"),), 100.0))
    bucket = one.bucket(PRODUCER, "User:u", None)
    assert one.wait_s(bucket, 1000) == 0.0  # ten seconds' worth is saved up
    assert one.wait_s(bucket, 250) == pytest.approx(2.5)
    StoppedClock.now += 5
    try:
        assert one.wait_s(bucket, 250) == 0.0
    finally:
        StoppedClock.now -= 5


def test_invented_names_do_not_fill_the_memory() -> None:
    one = quotas(((("client-id", None),), 100.0))
    for number in range(30_000):
        one.wait_s(one.bucket(PRODUCER, "User:u", f"c{number}"), 500)
    assert len(one._buckets) <= 10_000


def test_quotas_outlive_the_broker(log: logflume.Log) -> None:
    with logflume.serve(log) as broker, Wire(broker.bootstrap) as wire:
        assert alter(wire, entity(("user", None), ("client-id", "x")), consumer_byte_rate=5) == 0
    kept = SecurityStore(log.directory.path).current().quotas
    assert kept == {(("client-id", "x"), ("user", None)): {CONSUMER: 5.0}}
