"""TLS and SASL to a real Kafka: who may come in, who not, and that no secret is ever shown."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest

import logflume
from logflume import errors
from support import kafka_peer
from support.kafka_secure import PASSWORD, SCRAM_PASSWORD, USER, SecureBroker

pytestmark = [pytest.mark.peers, pytest.mark.timeout(240)]

WRONG = "wr0ng-p4ssword"
SECRETS = (PASSWORD, SCRAM_PASSWORD, WRONG, quote(PASSWORD))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    kafka_peer.script()
    pytest.importorskip("confluent_kafka")
    started = SecureBroker(tmp_path_factory.mktemp("secure"))
    try:
        yield started
    finally:
        started.down()


def address(broker: SecureBroker, kind: str, **options: str) -> str:
    given = {"security.protocol": kind, **{n.replace("_", "."): v for n, v in options.items()}}
    query = "&".join(f"{name}={quote(value)}" for name, value in given.items())
    return f"kafka://{broker.listeners[kind]}?{query}"


def ways_in(broker: SecureBroker) -> dict[str, str]:
    files = broker.certificates
    ca = {"ssl_ca_location": files.authority}
    plain = {"sasl_mechanism": "PLAIN", "sasl_username": USER, "sasl_password": PASSWORD}
    scram = {
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": USER,
        "sasl_password": SCRAM_PASSWORD,
    }
    mine = {"ssl_certificate_location": files.client, "ssl_key_location": files.client_key}
    return {
        "plain": address(broker, "SASL_PLAINTEXT", **plain),
        "scram": address(broker, "SASL_PLAINTEXT", **scram),
        "plain over TLS": address(broker, "SASL_SSL", **plain, **ca),
        "scram over TLS": address(broker, "SASL_SSL", **scram, **ca),
        "certificate": address(broker, "SSL", **mine, **ca),
    }


@pytest.mark.parametrize(
    "way", ["plain", "scram", "plain over TLS", "scram over TLS", "certificate"]
)
def test_everything_works_behind_each_way_in(broker, name, way):
    with logflume.open(ways_in(broker)[way]) as log:
        log.create_topic(name, partitions=2)
        with log.producer(transactional_id=f"id-{name}") as producer, producer.transaction():
            producer.send_many(name, [b"a", b"b"], partition=0)
        with log.consumer(name, group=f"g-{name}", auto_offset_reset="earliest") as consumer:
            assert [r.value for r in consumer.poll(30)] == [b"a", b"b"]
        assert log.partition(name, 0).read(0).value == b"a"
        assert not any(secret in f"{log!r}{log.path}{vars(log.engine)!r}" for secret in SECRETS)
        log.delete_topic(name)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("SASL_PLAINTEXT", {"sasl_mechanism": "PLAIN"}),
        ("SASL_PLAINTEXT", {"sasl_mechanism": "SCRAM-SHA-512"}),
        ("SASL_SSL", {"sasl_mechanism": "PLAIN"}),
    ],
)
def test_a_wrong_password_is_said_at_once_and_never_shown(broker, kind, options, caplog):
    caplog.set_level(logging.DEBUG)
    options = {**options, "sasl_username": USER, "sasl_password": WRONG}
    if kind == "SASL_SSL":
        options["ssl_ca_location"] = broker.certificates.authority
    calls = (
        lambda log: log.topics(),
        lambda log: log.create_topic("t"),
        lambda log: log.producer().send("t", b"x"),
        lambda log: log.producer(transactional_id="x"),
        lambda log: log.consumer("t", group="g").poll(1),
        lambda log: log.partition("t", 0).read(0),
    )
    for call in calls:
        started = time.monotonic()
        with (
            logflume.open(address(broker, kind, **options), debug="security,broker") as log,
            pytest.raises(errors.AuthenticationFailed) as caught,
        ):
            call(log)
        assert time.monotonic() - started < 30
        shown = f"{caught.value}{caught.value!r}{caught.value.__cause__!r}{log!r}{caplog.text}"
        assert not any(secret in shown for secret in SECRETS)


def test_a_broker_with_another_authority_is_not_believed(broker, tmp_path):
    options = {"sasl_mechanism": "PLAIN", "sasl_username": USER, "sasl_password": PASSWORD}
    other = broker.certificates.client  # signed, but no authority
    with (
        logflume.open(address(broker, "SASL_SSL", ssl_ca_location=other, **options)) as log,
        pytest.raises(errors.AuthenticationFailed),
    ):
        log.topics()


def test_no_certificate_and_the_wrong_protocol(broker):
    ca = {"ssl_ca_location": broker.certificates.authority}
    short = {"default_api_timeout_ms": "6000"}
    with (
        logflume.open(address(broker, "SSL", **ca, **short)) as log,
        pytest.raises((errors.AuthenticationFailed, errors.ClusterUnreachable)),
    ):
        log.topics()
    at = broker.listeners["SASL_SSL"]
    with (
        logflume.open(f"kafka://{at}?default.api.timeout.ms=6000") as log,
        pytest.raises(errors.ClusterUnreachable),
    ):
        log.topics()


def test_secrets_from_environment_and_file(broker, name, tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_KAFKA_PASSWORD", PASSWORD)
    (tmp_path / "password").write_text(SCRAM_PASSWORD + "\n")
    for mechanism, where in (
        ("PLAIN", "${env:TEST_KAFKA_PASSWORD}"),
        ("SCRAM-SHA-512", f"${{file:{tmp_path}/password}}"),
    ):
        at = broker.listeners["SASL_PLAINTEXT"]
        with logflume.open(
            f"kafka://{at}?security.protocol=sasl_plaintext&sasl.mechanism={mechanism}"
            f"&sasl.username={USER}&sasl.password={where}"
        ) as log:
            log.create_topic(f"{name}-{mechanism}")
