"""SaslHandshake: v1. The client chooses how it logs in; SaslAuthenticate carries the messages.

Version 0 is advertised, because older librdkafkas conclude from its absence that there are no logins.
Differs from Kafka: version 0 itself, after which messages go without frames, closes the connection.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.security.login import Login, PlainLogin, ScramLogin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["sasl_handshake"]

UNSUPPORTED_SASL_MECHANISM = 33
ILLEGAL_SASL_STATE = 34


@handles(ApiKey.SASL_HANDSHAKE, versions="1", advertised_from=0, before_login=True)
def sasl_handshake(call: Call, request: Any) -> Answer:
    """Begin a login, or one that renews it."""
    connection = call.connection
    enabled = list(call.broker.config.sasl_enabled_mechanisms)
    if not connection.listener.uses_sasl:
        return {"error_code": ILLEGAL_SASL_STATE, "mechanisms": []}
    mechanism = request.mechanism
    if mechanism not in enabled:
        if not connection.logged_in:
            connection.close_after_answer()
        return {"error_code": UNSUPPORTED_SASL_MECHANISM, "mechanisms": enabled}
    if connection.login is not None or connection.mechanism not in ("", mechanism):
        connection.close_after_answer()
        return {"error_code": ILLEGAL_SASL_STATE, "mechanisms": enabled}
    look = call.broker.security.current
    login: Login = PlainLogin(look) if mechanism == "PLAIN" else ScramLogin(look, mechanism)
    connection.login = login
    connection.login_mechanism = mechanism
    return {"error_code": 0, "mechanisms": enabled}
