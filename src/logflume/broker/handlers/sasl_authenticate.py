"""SaslAuthenticate: v0-2. The messages of a login. v1: how long it holds (KIP-368). v2: flexible.

A login that fails is answered after a while, and ends the connection. The answer does not tell an unknown user from
a wrong password.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.security.login import LoginFailed
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer
    from logflume.broker.server import Broker

__all__ = ["sasl_authenticate"]

ILLEGAL_SASL_STATE = 34
SASL_AUTHENTICATION_FAILED = 58

_log = get_logger(__name__)


class _Passwords:
    """One thread for keys made from passwords: many logins at a time wait for each other, not the disk for them."""

    def __init__(self, broker: Broker) -> None:
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="logflume-logins")

    async def stop(self) -> None:
        """The broker stops."""
        self.thread.shutdown(wait=False, cancel_futures=True)


@handles(ApiKey.SASL_AUTHENTICATE, versions="0-2", before_login=True, cancellable=True)
async def sasl_authenticate(call: Call, request: Any) -> Answer:
    """One message of the client's login."""
    connection, broker = call.connection, call.broker
    login = connection.login
    if login is None:
        if not connection.is_known:
            connection.close_after_answer()
        return _refused(ILLEGAL_SASL_STATE, "SaslHandshake comes first.")
    try:
        message = bytes(request.auth_bytes)
        if login.slow:
            threads = broker.service(_Passwords).thread
            answer = await broker.loop.run_in_executor(threads, login.step, message)
        else:
            answer = login.step(message)
        if login.user is not None and connection.logged_in:
            _check_renewal(connection.principal, login.user)
    except LoginFailed as failed:
        _log.warning("login_failed", client=call.client_host, user=failed.user, reason=str(failed))
        await asyncio.sleep(broker.config.connection_failed_authentication_delay_ms / 1000)
        connection.close_after_answer()
        return _refused(SASL_AUTHENTICATION_FAILED, "Authentication failed: invalid credentials")
    lifetime_ms = 0
    if login.user is not None:
        connection.welcome(f"User:{login.user}", connection.login_mechanism)
        lifetime_ms = broker.config.connections_max_reauth_ms
    return {
        "error_code": 0,
        "error_message": None,
        "auth_bytes": answer,
        "session_lifetime": lifetime_ms,
    }


def _check_renewal(principal: str, user: str) -> None:
    if principal != f"User:{user}":
        raise LoginFailed(f"{principal} cannot become another", user)


def _refused(code: int, message: str) -> dict[str, Any]:
    return {
        "error_code": code,
        "error_message": message,
        "auth_bytes": b"",
        "session_lifetime": 0,
    }
