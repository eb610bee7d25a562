"""SASL with real clients, and what strangers may do before they are known."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import struct
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.helpers import create_ssl_context

import logflume
from logflume.broker import ThreadedBroker
from logflume.broker.api_keys import ApiKey
from logflume.broker.security.store import SecurityStore
from support.certificates import Certificates
from support.logins import (
    FAILED,
    ILLEGAL_SASL_STATE,
    MECHANISMS,
    address,
    cut_off,
    delivered,
    librdkafka,
    log_in,
    plain,
)
from support.wire import Wire

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # how kafka-python reads its resources
    import kafka

Serve = Callable[..., ThreadedBroker]


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("protocol", ["SASL_SSL", "SASL_PLAINTEXT"])
def test_librdkafka_logs_in(
    serve_securely: Serve, certificates: Certificates, mechanism: str, protocol: str
) -> None:
    config = librdkafka(
        serve_securely(protocol).bootstrap,
        **{
            "security.protocol": protocol,
            "ssl.ca.location": certificates.authority,
            "sasl.mechanism": mechanism,
            "sasl.username": "alice, =x",
        },
    )
    assert delivered({**config, "sasl.password": "sécret, ="}) is None
    error = delivered({**config, "sasl.password": "secret"})
    assert error is not None
    assert error.code() == confluent_kafka.KafkaError._AUTHENTICATION
    error = delivered({**config, "sasl.username": "nobody", "sasl.password": "x"})
    assert error is not None
    assert error.code() == confluent_kafka.KafkaError._AUTHENTICATION


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_kafka_python_logs_in(serve_securely: Serve, mechanism: str) -> None:
    broker = serve_securely("SASL_PLAINTEXT")
    client = kafka.KafkaProducer(
        bootstrap_servers=broker.bootstrap,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism=mechanism,
        sasl_plain_username="erna",  # it does not escape what SCRAM wants escaped
        sasl_plain_password="sécret, =",
    )
    try:
        assert client.send("t", b"x").get(30).offset == 0
    finally:
        client.close()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_aiokafka_logs_in(
    serve_securely: Serve, certificates: Certificates, mechanism: str
) -> None:
    broker = serve_securely("SASL_SSL")

    async def send() -> int:
        client = AIOKafkaProducer(
            bootstrap_servers=broker.bootstrap,
            security_protocol="SASL_SSL",
            ssl_context=create_ssl_context(cafile=certificates.authority),
            sasl_mechanism=mechanism,
            sasl_plain_username="bob" if mechanism == "SCRAM-SHA-512" else "alice, =x",
            sasl_plain_password="other" if mechanism == "SCRAM-SHA-512" else "sécret, =",
        )
        try:
            await client.start()
            sent = await client.send_and_wait("t", b"x")
            return int(sent.offset)
        finally:
            await client.stop()

    assert asyncio.run(send()) == 0


@pytest.mark.parametrize(
    ("key", "version", "fields"),
    [(ApiKey.METADATA, 1, {"topics": None}), (ApiKey.LIST_GROUPS, 0, {})],
)
def test_nothing_is_served_before_the_login(
    serve_securely: Serve, key: ApiKey, version: int, fields: dict[str, Any]
) -> None:
    broker = serve_securely("SASL_PLAINTEXT")
    with Wire(broker.bootstrap) as wire:
        assert wire.ask(ApiKey.API_VERSIONS, 0).error_code == 0
        with pytest.raises((AssertionError, ConnectionError)):
            wire.ask(key, version, **fields)
    with Wire(broker.bootstrap) as wire:
        assert log_in(wire).error_code == 0
        wire.ask(key, version, **fields)


def test_strangers_frames_are_small_and_share_little_memory(serve_securely: Serve) -> None:
    broker = serve_securely(
        "SASL_PLAINTEXT", sasl_server_max_receive_size=1000, queued_max_login_bytes=10_000
    )
    host, _, port = broker.bootstrap.rpartition(":")
    strangers = [socket.create_connection((host, int(port)), timeout=60) for _ in range(30)]
    try:
        for stranger in strangers[1:]:
            stranger.sendall(struct.pack(">i", 900) + b"x" * 100)
        time.sleep(0.3)
        assert broker.broker.login_memory.held <= 10_000
        assert broker.broker.frame_memory.held == 0
        strangers[0].sendall(struct.pack(">i", 1001) + b"x" * 10)
        assert strangers[0].recv(1) == b""
    finally:
        for stranger in strangers:
            stranger.close()
    with Wire(broker.bootstrap) as wire:
        assert log_in(wire).error_code == 0
        names = [{"name": "x" * 5000}]
        wire.ask(ApiKey.METADATA, 1, topics=names)  # is no stranger's frame any more


def test_a_login_takes_only_so_long(serve_securely: Serve) -> None:
    broker = serve_securely("SASL_PLAINTEXT", connection_login_timeout_ms=3000)
    with Wire(broker.bootstrap) as slow, Wire(broker.bootstrap) as quick:
        assert log_in(quick).error_code == 0
        assert slow.ask(ApiKey.SASL_HANDSHAKE, 1, mechanism="PLAIN").error_code == 0
        time.sleep(4)
        assert cut_off(slow)
        assert not cut_off(quick)


def test_a_failed_login_is_answered_late_and_ends_the_connection(serve_securely: Serve) -> None:
    broker = serve_securely("SASL_PLAINTEXT", connection_failed_authentication_delay_ms=300)
    for user, password in (("bob", "wrong"), ("nobody", "other"), ("", "x"), ("bob", "")):
        with Wire(broker.bootstrap) as wire:
            start = time.monotonic()
            answer = log_in(wire, user, password)
            assert answer.error_code == FAILED
            assert answer.error_message == "Authentication failed: invalid credentials"
            assert time.monotonic() - start > 0.25
            assert cut_off(wire)


@pytest.mark.parametrize("message", [b"", b"\xff\xfe", b"bob", b"n,,n=bob", b"a\0b\0c\0d"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_nonsense_is_a_failed_login(serve_securely: Serve, mechanism: str, message: bytes) -> None:
    broker = serve_securely("SASL_PLAINTEXT", connection_failed_authentication_delay_ms=0)
    with Wire(broker.bootstrap) as wire:
        assert wire.ask(ApiKey.SASL_HANDSHAKE, 1, mechanism=mechanism).error_code == 0
        assert wire.ask(ApiKey.SASL_AUTHENTICATE, 1, auth_bytes=message).error_code == FAILED
        assert cut_off(wire)


def test_the_steps_of_a_login_have_an_order(serve_securely: Serve) -> None:
    broker = serve_securely("SASL_PLAINTEXT", "PLAINTEXT")
    with Wire(broker.bootstrap) as wire:
        answer = wire.ask(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=plain("bob", "other"))
        assert answer.error_code == ILLEGAL_SASL_STATE
        assert cut_off(wire)
    with Wire(broker.bootstrap) as wire:
        answer = wire.ask(ApiKey.SASL_HANDSHAKE, 1, mechanism="GSSAPI")
        assert (answer.error_code, answer.mechanisms) == (33, MECHANISMS)
        assert cut_off(wire)
    with Wire(broker.bootstrap) as wire:
        assert wire.ask(ApiKey.SASL_HANDSHAKE, 1, mechanism="PLAIN").error_code == 0
        answer = wire.ask(ApiKey.SASL_HANDSHAKE, 1, mechanism="PLAIN")
        assert answer.error_code == ILLEGAL_SASL_STATE
        assert cut_off(wire)
    with Wire(address(broker, "PLAINTEXT")) as wire:
        answer = wire.ask(ApiKey.SASL_HANDSHAKE, 1, mechanism="PLAIN")
        assert answer.error_code == ILLEGAL_SASL_STATE


def first_answer(wire: Wire, user: str) -> dict[str, str]:
    assert wire.ask(ApiKey.SASL_HANDSHAKE, 1, mechanism="SCRAM-SHA-512").error_code == 0
    answer = wire.ask(ApiKey.SASL_AUTHENTICATE, 1, auth_bytes=f"n,,n={user},r=abcdefghijk".encode())
    assert answer.error_code == 0
    return dict(item.split("=", 1) for item in answer.auth_bytes.decode().split(","))


def test_unknown_users_look_like_known_ones(serve_securely: Serve, users: SecurityStore) -> None:
    broker = serve_securely("SASL_PLAINTEXT")
    salts = []
    for user in ("bob", "nobody", "nobody", "somebody"):
        with Wire(broker.bootstrap) as wire:
            answer = first_answer(wire, user)
            assert answer["i"] == "8192"
            salts.append(base64.b64decode(answer["s"]))
    assert len(set(map(len, salts))) == 1
    assert salts[1] == salts[2] != salts[3]


def test_what_is_pretended_for_an_unknown_user_lets_nobody_in(serve_securely: Serve) -> None:
    """Also not him who finds out which keys are pretended."""
    broker = serve_securely("SASL_PLAINTEXT", connection_failed_authentication_delay_ms=0)
    with Wire(broker.bootstrap) as wire:
        first = first_answer(wire, "nobody")
        salted = hashlib.pbkdf2_hmac("sha512", b"", base64.b64decode(first["s"]), int(first["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha512")
        bare = f"c=biws,r={first['r']}"
        server_first = f"r={first['r']},s={first['s']},i={first['i']}"
        signed = f"n=nobody,r=abcdefghijk,{server_first},{bare}".encode()
        signature = hmac.digest(hashlib.sha512(client_key).digest(), signed, "sha512")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        final = f"{bare},p={base64.b64encode(proof).decode()}".encode()
        assert wire.ask(ApiKey.SASL_AUTHENTICATE, 1, auth_bytes=final).error_code == FAILED


def test_a_login_ends_unless_it_is_renewed(serve_securely: Serve) -> None:
    broker = serve_securely("SASL_PLAINTEXT", connections_max_reauth_ms=3000)
    with (
        Wire(broker.bootstrap) as lazy,
        Wire(broker.bootstrap) as good,
        Wire(broker.bootstrap) as x,
    ):
        for wire in (lazy, good, x):
            answer = log_in(wire)
            assert (answer.error_code, answer.session_lifetime.total_seconds()) == (0, 3.0)
        for _ in range(3):
            time.sleep(1.2)
            assert log_in(good).error_code == 0
        good.ask(ApiKey.METADATA, 1, topics=None)
        with pytest.raises((AssertionError, ConnectionError)):
            lazy.ask(ApiKey.METADATA, 1, topics=None)
        assert log_in(x, "alice, =x", "sécret, =").error_code == FAILED  # another user


def test_users_are_changed_while_the_broker_runs(
    serve_securely: Serve, users: SecurityStore
) -> None:
    broker = serve_securely("SASL_PLAINTEXT", connection_failed_authentication_delay_ms=0)
    users.change(lambda state: state._replace(users={}))
    time.sleep(0.1)
    with Wire(broker.bootstrap) as wire:
        assert log_in(wire).error_code == FAILED


def test_a_damaged_file_lets_nobody_in(serve_securely: Serve, log: logflume.Log) -> None:
    broker = serve_securely("SASL_PLAINTEXT")
    path = Path(log.directory.path) / "logflume-security.json"
    path.write_text(path.read_text()[:-20])
    time.sleep(0.1)
    with Wire(broker.bootstrap) as wire, pytest.raises((AssertionError, ConnectionError)):
        log_in(wire)
    path.write_text(json.dumps({"version": 99}))
    with pytest.raises(logflume.errors.UnsupportedFormat):
        serve_securely("SASL_PLAINTEXT")


def test_only_its_owner_reads_the_file(users: SecurityStore, log: logflume.Log) -> None:
    path = Path(log.directory.path) / "logflume-security.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "cret" not in path.read_text().replace('"secret"', "")


def test_admins_set_list_and_delete_users(broker: ThreadedBroker, serve_securely: Serve) -> None:
    from confluent_kafka.admin import (
        AdminClient,
        ScramCredentialInfo,
        ScramMechanism,
        UserScramCredentialDeletion,
        UserScramCredentialUpsertion,
    )

    logins = serve_securely("SASL_PLAINTEXT", connection_failed_authentication_delay_ms=0)
    admin = AdminClient(librdkafka(broker.bootstrap))
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 5000)
    changes = [UserScramCredentialUpsertion("carol", info, b"pass")]
    admin.alter_user_scram_credentials(changes)["carol"].result(60)
    described = admin.describe_user_scram_credentials(["carol"])["carol"].result(60)
    assert [c.iterations for c in described.scram_credential_infos] == [5000]
    everybody = admin.describe_user_scram_credentials(None).result(60)
    assert set(everybody) == {"alice, =x", "bob", "erna", "carol"}
    time.sleep(0.1)
    with Wire(logins.bootstrap) as wire:
        assert log_in(wire, "carol", "pass").error_code == 0
    gone = UserScramCredentialDeletion("carol", ScramMechanism.SCRAM_SHA_256)
    admin.alter_user_scram_credentials([gone])["carol"].result(60)
    with pytest.raises(confluent_kafka.KafkaException):
        admin.alter_user_scram_credentials([gone])["carol"].result(60)
    with pytest.raises(confluent_kafka.KafkaException):
        admin.describe_user_scram_credentials(["carol"])["carol"].result(60)
    time.sleep(0.1)
    with Wire(logins.bootstrap) as wire:
        assert log_in(wire, "carol", "pass").error_code == FAILED


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"mechanism": 7}, 33),
        ({"iterations": 100}, 93),
        ({"iterations": 1 << 20}, 93),
        ({"salt": b"short"}, 93),
        ({"salted_password": b""}, 93),
        ({"name": ""}, 93),
        ({}, 0),
    ],
)
def test_credentials_that_are_too_weak_are_refused(
    broker: ThreadedBroker, change: dict[str, Any], code: int
) -> None:
    good = {"name": "dave", "mechanism": 2, "iterations": 4096, "salt": b"s" * 16}
    asked = {**good, "salted_password": b"p" * 64, **change}
    with Wire(broker.bootstrap) as wire:
        answer = wire.ask(ApiKey.ALTER_USER_SCRAM_CREDENTIALS, 0, deletions=[], upsertions=[asked])
        assert [r.error_code for r in answer.results] == [code]
        there = wire.ask(ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, 0, users=[{"name": "dave"}])
        assert [r.error_code for r in there.results] == [91 if code else 0]
        same = wire.ask(
            ApiKey.ALTER_USER_SCRAM_CREDENTIALS, 0, deletions=[], upsertions=[good | asked] * 2
        )
        assert [r.error_code for r in same.results] == [code or 92]
