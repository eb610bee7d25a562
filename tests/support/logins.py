"""Logging in, by clients and by hand."""

from __future__ import annotations

import time
from typing import Any

import confluent_kafka

from logflume.broker import ThreadedBroker
from logflume.broker.api_keys import ApiKey
from support.wire import Wire

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
ILLEGAL_SASL_STATE, FAILED = 34, 58
REFUSED = (
    confluent_kafka.KafkaError._AUTHENTICATION,
    confluent_kafka.KafkaError._SSL,
    confluent_kafka.KafkaError._ALL_BROKERS_DOWN,  # TLS 1.3: a refused certificate ends the connection
)


def address(broker: ThreadedBroker, name: str) -> str:
    return next(str(one.told) for one in broker.broker.listeners if one.name == name)


def librdkafka(where: str, **config: Any) -> dict[str, Any]:
    return {"bootstrap.servers": where, "log_level": 0, **config}


def delivered(config: dict[str, Any], *, within: float = 60.0) -> confluent_kafka.KafkaError | None:
    """The error of a client that writes a record, None when it could."""
    errors: list[Any] = []
    client = confluent_kafka.Producer({**config, "error_cb": errors.append})
    client.produce("t", b"x")
    deadline = time.monotonic() + within
    while client.flush(0.1) and time.monotonic() < deadline:
        for error in errors:
            # A handshake that failed is now and then a fault of the transport to librdkafka, with the same words.
            if error.code() in REFUSED or "SSL routines" in error.str():
                client.purge()
                return error
    assert len(client) == 0, errors
    return None


def plain(user: str, password: str) -> bytes:
    return f"\0{user}\0{password}".encode()


def log_in(wire: Wire, user: str = "bob", password: str = "other", version: int = 2) -> Any:
    assert wire.ask(ApiKey.SASL_HANDSHAKE, 1, mechanism="PLAIN").error_code == 0
    return wire.ask(ApiKey.SASL_AUTHENTICATE, version, auth_bytes=plain(user, password))


def cut_off(wire: Wire) -> bool:
    """Whether the broker ended the connection."""
    try:
        wire.ask(ApiKey.API_VERSIONS, 0)
    except (AssertionError, ConnectionError):
        return True
    return False
