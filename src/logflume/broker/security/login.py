"""A client's login by SASL: PLAIN, and SCRAM by the library scramp. Knows messages, no sockets."""

from __future__ import annotations

import hmac

from logflume.broker.security.users import HASHES, Credential, make_credential, stand_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from logflume.broker.security.store import SecurityState

    Look = Callable[[], SecurityState]

__all__ = ["ANONYMOUS", "Login", "LoginFailed", "PlainLogin", "ScramLogin"]

ANONYMOUS = "User:ANONYMOUS"
_NAME_BYTES_MAX = 1024


class LoginFailed(Exception):
    """The client is not who it says, or speaks no SASL. What is said to it does not tell which."""

    def __init__(self, why: str, user: str = "") -> None:
        super().__init__(why)
        self.user = user


class Login:
    """One attempt. `step` takes the client's messages; afterwards `user` is set, once it succeeded."""

    # A step that computes a key from a password takes milliseconds: not in an event loop.
    slow = False

    def __init__(self, look: Look) -> None:
        self._look = look
        self.user: str | None = None

    def step(self, message: bytes) -> bytes:
        """The answer to a message. Raises LoginFailed."""
        raise NotImplementedError

    def _credential(self, mechanism: str, user: str) -> Credential:
        state = self._look()
        kept = state.users.get(user, {}).get(mechanism)
        # Without a file there is no user; then anything will do to pretend.
        return kept or stand_in(state.users, mechanism, user, state.secret or b"nobody")


class PlainLogin(Login):
    """PLAIN (RFC 4616): the password itself, held against the keys that are kept for SCRAM."""

    slow = True

    def step(self, message: bytes) -> bytes:
        """The only message: authorization id, user, password."""
        try:
            authorized, user, password = message.decode().split("\0")
        except ValueError:
            raise LoginFailed("not a PLAIN message") from None
        if not user or not password or len(user) > _NAME_BYTES_MAX:
            raise LoginFailed("a PLAIN message without user or password")
        kept = self._look().users.get(user, {})
        mechanism = next((name for name in HASHES if name in kept), next(iter(HASHES)))
        credential = self._credential(mechanism, user)
        made = make_credential(
            mechanism, password, iterations=credential.iterations, salt=credential.salt
        )
        fits = hmac.compare_digest(made.stored_key, credential.stored_key)
        if not fits or not kept or authorized not in ("", user):
            raise LoginFailed("wrong user or password", user)
        self.user = user
        return b""


class ScramLogin(Login):
    """SCRAM-SHA-256 and -512 (RFC 5802, RFC 7677). Unknown users go through the same messages as known ones."""

    def __init__(self, look: Look, mechanism: str) -> None:
        from scramp import ScramMechanism

        super().__init__(look)
        self._mechanism = mechanism
        self._claimed = ""
        self._server: Any = ScramMechanism(mechanism).make_server(self._keys)
        self._greeted = False

    def _keys(self, user: str) -> tuple[bytes, bytes, bytes, int]:
        self._claimed = user
        return self._credential(self._mechanism, user)

    def step(self, message: bytes) -> bytes:
        """The client's first and final messages."""
        from scramp import ScramException

        try:
            text = message.decode()
            if not self._greeted:
                self._greeted = True
                self._server.set_client_first(text)
                first: str = self._server.get_server_first()
                return first.encode()
            self._server.set_client_final(text)
            final: str = self._server.get_server_final()
        except (ScramException, ValueError) as error:
            raise LoginFailed(str(error), self._claimed) from None
        if self._claimed not in self._look().users:
            raise LoginFailed("no such user", self._claimed)
        self.user = self._claimed
        return final.encode()
