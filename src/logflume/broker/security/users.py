"""Users and what is kept of their passwords: the keys that SCRAM needs (RFC 5802), never the password."""

from __future__ import annotations

import hashlib
import hmac

from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NamedTuple

    Users = Mapping[str, Mapping[str, "Credential"]]

__all__ = [
    "HASHES",
    "ITERATIONS_MAX",
    "ITERATIONS_MIN",
    "Credential",
    "make_credential",
    "stand_in",
]

HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
ITERATIONS_MIN = 4096  # as in Kafka
ITERATIONS_MAX = 16384


class Credential(NamedTuple):
    """One mechanism's keys of one user."""

    salt: bytes
    stored_key: bytes
    server_key: bytes
    iterations: int

    def __repr__(self) -> str:
        return f"<Credential, {self.iterations} iterations>"


def make_credential(
    mechanism: str,
    password: str | None = None,
    *,
    iterations: int,
    salt: bytes | None = None,
    salted: bytes | None = None,
) -> Credential:
    """From a password, or from one that is salted already, as clients send it. Takes milliseconds for a password."""
    import secrets

    name = HASHES[mechanism]
    salt = secrets.token_bytes(24) if salt is None else salt
    if salted is None:
        assert password is not None
        salted = hashlib.pbkdf2_hmac(name, _prepared(password), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", name)
    return Credential(
        salt,
        hashlib.new(name, client_key).digest(),
        hmac.digest(salted, b"Server Key", name),
        iterations,
    )


def _prepared(password: str) -> bytes:
    """As Kafka's clients: UTF-8, without SASLprep."""
    return password.encode()


def stand_in(users: Users, mechanism: str, user: str, secret: bytes) -> Credential:
    """What is pretended for a user that there is not, so that a stranger cannot find out who there is: always the
    same for a name, with as many iterations as the others have, and no password that fits."""
    iterations = max(
        (kept[mechanism].iterations for kept in users.values() if mechanism in kept),
        default=ITERATIONS_MIN,
    )
    name = HASHES[mechanism]
    seed = hmac.digest(secret, f"{mechanism}:{user}".encode("utf-8", "replace"), "sha512")
    size = hashlib.new(name).digest_size
    return Credential(seed[:24], seed[:size], hmac.digest(secret, seed, name), iterations)
