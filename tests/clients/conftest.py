"""A broker of our own for each test, on a directory of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import logflume
from logflume.broker import ThreadedBroker, serve
from logflume.broker.security.store import SecurityStore
from logflume.broker.security.users import make_credential
from support.certificates import Certificates, make_certificates
from support.logins import MECHANISMS
from support.message_fields import checked_fields


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logflume.Log]:
    with logflume.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def broker(log: logflume.Log) -> Iterator[ThreadedBroker]:
    with serve(log) as running:
        yield running


@pytest.fixture(autouse=True)
def known_fields() -> Iterator[None]:
    """Answers have no fields that the protocol does not know."""
    with checked_fields():
        yield


@pytest.fixture(autouse=True)
def quiet_clients() -> None:
    """What clients log of connections that end is no news."""
    for name in ("kafka", "aiokafka"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def users(log: logflume.Log) -> SecurityStore:
    """alice and erna have all mechanisms, bob one."""
    store = SecurityStore(log.directory.path)
    alice = {m: make_credential(m, "sécret, =", iterations=4096) for m in MECHANISMS[1:]}
    bob = {"SCRAM-SHA-512": make_credential("SCRAM-SHA-512", "other", iterations=8192)}
    users = {"alice, =x": alice, "bob": bob, "erna": alice}
    store.change(lambda state: state._replace(users=users))
    return store


@pytest.fixture
def serve_securely(
    log: logflume.Log, users: SecurityStore, certificates: Certificates
) -> Iterator[Callable[..., ThreadedBroker]]:
    """Starts brokers with the listeners that are named; each has a certificate and takes every mechanism."""
    running = []

    def start(*listen: str, **config: object) -> ThreadedBroker:
        given = {
            "ssl_certificate_location": certificates.server,
            "ssl_key_location": certificates.server_key,
            "sasl_enabled_mechanisms": MECHANISMS,
            **config,
        }
        running.append(logflume.serve(log, [f"{name}://127.0.0.1:0" for name in listen], **given))
        return running[-1]

    yield start
    for broker in running:
        broker.close()
