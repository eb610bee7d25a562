"""TLS with real clients: certificates of both sides, listeners side by side, handshakes that never end."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

import confluent_kafka
import pytest

import logflume
from logflume.broker import ThreadedBroker
from logflume.broker.api_keys import ApiKey
from support.any_requests import frame
from support.certificates import Certificates
from support.logins import address, delivered, librdkafka
from support.wire import Wire

Serve = Callable[..., ThreadedBroker]


def test_tls_carries_records_both_ways(serve_securely: Serve, certificates: Certificates) -> None:
    broker = serve_securely("SSL")
    config = librdkafka(
        broker.bootstrap, **{"security.protocol": "SSL", "ssl.ca.location": certificates.authority}
    )
    client = confluent_kafka.Producer(config)
    values = [bytes([n % 251]) * 3000 for n in range(2000)]
    for value in values:
        client.produce("t", value, partition=0)
    assert client.flush(60) == 0
    consumer = confluent_kafka.Consumer({**config, "group.id": "g"})
    try:
        consumer.assign([confluent_kafka.TopicPartition("t", 0, 0)])
        got: list[bytes | None] = []
        while len(got) < len(values):
            found = consumer.consume(500, 30)
            assert found
            got += [message.value() for message in found]
    finally:
        consumer.close()
    assert got == values


def test_a_broker_with_another_name_or_authority_is_not_believed(
    serve_securely: Serve, certificates: Certificates
) -> None:
    config = librdkafka(
        serve_securely("SSL").bootstrap,
        **{"security.protocol": "SSL", "ssl.ca.location": certificates.stranger},
    )
    error = delivered(config)
    assert error is not None
    assert "certificate verify failed" in error.str()


def test_clients_certificates_are_asked_for_and_name_them(
    serve_securely: Serve, certificates: Certificates
) -> None:
    broker = serve_securely(
        "SSL", ssl_client_auth="required", ssl_ca_location=certificates.authority
    )
    config = librdkafka(
        broker.bootstrap, **{"security.protocol": "SSL", "ssl.ca.location": certificates.authority}
    )
    assert delivered(config) is not None
    stranger = {
        "ssl.certificate.location": certificates.stranger,
        "ssl.key.location": certificates.stranger,
    }
    assert delivered({**config, **stranger}) is not None
    known = {
        "ssl.certificate.location": certificates.client,
        "ssl.key.location": certificates.client_key,
    }
    context = ssl.create_default_context(cafile=certificates.authority)
    context.load_cert_chain(certificates.client, certificates.client_key)
    host, _, port = broker.bootstrap.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname=host) as secured,
    ):
        secured.sendall(frame(ApiKey.API_VERSIONS, 0, b""))
        assert secured.recv(4)
        (connection,) = broker.broker._connections
        assert connection.principal.startswith("User:CN=billing,")
    assert delivered({**config, **known}) is None


def test_several_listeners_each_tell_their_own_address(
    serve_securely: Serve, certificates: Certificates
) -> None:
    broker = serve_securely("PLAINTEXT", "SSL", "SASL_PLAINTEXT")
    assert len({one.address.port for one in broker.broker.listeners}) == 3
    with Wire(address(broker, "PLAINTEXT")) as wire:
        (told,) = wire.ask(ApiKey.METADATA, 1, topics=None).brokers
    assert f"{told.host}:{told.port}" == address(broker, "PLAINTEXT")
    seen = confluent_kafka.Producer(
        librdkafka(
            address(broker, "SSL"),
            **{"security.protocol": "SSL", "ssl.ca.location": certificates.authority},
        )
    ).list_topics(timeout=60)
    assert [f"{b.host}:{b.port}" for b in seen.brokers.values()] == [address(broker, "SSL")]


@pytest.mark.parametrize(
    "config",
    [
        {"ssl_certificate_location": None},
        {"ssl_certificate_location": "/no/such/file"},
        {"ssl_key_location": "/dev/null"},
        {"ssl_client_auth": "required"},
        {"ssl_client_auth": "required", "ssl_ca_location": "/dev/null"},
        {"ssl_cipher_suites": "ROT13"},
        {"ssl_keystore_type": "JKS"},
    ],
)
def test_certificates_that_cannot_be_used_are_named(
    serve_securely: Serve, config: dict[str, Any]
) -> None:
    with pytest.raises(logflume.errors.InvalidConfig, match=r"ssl[._]"):
        serve_securely("SSL", **config)


def test_a_handshake_that_never_ends_is_counted_and_given_up(serve_securely: Serve) -> None:
    broker = serve_securely("SSL", connection_login_timeout_ms=3000, max_connections=2)
    host, _, port = broker.bootstrap.rpartition(":")
    where = (host, int(port))
    with socket.create_connection(where, timeout=60) as one, socket.create_connection(where) as two:
        two.sendall(b"\x16\x03\x01")
        with socket.create_connection(where, timeout=60) as third:  # comes in after them
            assert third.recv(1) == b""
        one.settimeout(60)
        two.settimeout(60)
        for stranger in (one, two):
            try:
                assert stranger.recv(1) == b""
            except ConnectionError:
                pass


def test_no_password_is_shown(serve_securely: Serve, broker: ThreadedBroker) -> None:
    hidden = serve_securely("PLAINTEXT", ssl_key_password="tell nobody")
    assert "nobody" not in repr(hidden.broker.config)
    with Wire(hidden.bootstrap) as wire:
        resource = {"resource_type": 4, "resource_name": "1", "configuration_keys": None}
        answer = wire.ask(ApiKey.DESCRIBE_CONFIGS, 4, resources=[resource])
    assert "nobody" not in repr(answer)
    entry = next(c for c in answer.results[0].configs if c.name == "ssl.key.password")
    assert (entry.is_sensitive, entry.value) == (True, None)
    with pytest.raises(logflume.errors.InvalidConfig) as caught:
        serve_securely("PLAINTEXT", ssl_key_password="tell\nnobody")
    assert "nobody" not in str(caught.value)
