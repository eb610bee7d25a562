"""AlterUserScramCredentials: v0. Set and delete the keys that users log in with.

All changes of a user succeed or none; those of one request are on disk together when it is answered.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.security.acl import Operation
from logflume.broker.security.scram_numbers import MECHANISMS
from logflume.broker.security.users import (
    ITERATIONS_MAX,
    ITERATIONS_MIN,
    Credential,
    make_credential,
)
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer
    from logflume.broker.security.store import SecurityState

    Changes = dict[str, dict[str, Credential | None]]

__all__ = ["alter_user_scram_credentials"]

RESOURCE_NOT_FOUND = 91
DUPLICATE_RESOURCE = 92
UNACCEPTABLE_CREDENTIAL = 93
UNSUPPORTED_SASL_MECHANISM = 33
SALT_BYTES_MIN = 12
NAME_BYTES_MAX = 1024


class _Refused(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@handles(ApiKey.ALTER_USER_SCRAM_CREDENTIALS, versions="0")
async def alter_user_scram_credentials(call: Call, request: Any) -> Answer:
    """Change users' keys."""
    changes: Changes = {}
    failed: dict[str, tuple[int, str]] = {}
    for asked in (*request.deletions, *request.upsertions):
        try:
            mechanism, credential = _change(asked)
            of_user = changes.setdefault(asked.name, {})
            if mechanism in of_user:
                raise _Refused(DUPLICATE_RESOURCE, f"{mechanism} is changed twice")
            of_user[mechanism] = credential
        except _Refused as refused:
            failed[asked.name] = refused.code, str(refused)

    def apply(state: SecurityState) -> SecurityState:
        users = {name: dict(kept) for name, kept in state.users.items()}
        for name, of_user in changes.items():
            missing = [
                m for m, one in of_user.items() if one is None and m not in users.get(name, {})
            ]
            if missing:
                failed[name] = RESOURCE_NOT_FOUND, f"{name!r} has no {missing[0]}"
            if name in failed:
                continue
            kept = {**users.get(name, {}), **of_user}
            users[name] = {m: one for m, one in kept.items() if one is not None}
            if not users[name]:
                del users[name]
        return state._replace(users=users)

    names = dict.fromkeys(asked.name for asked in (*request.deletions, *request.upsertions))
    try:
        call.check_cluster(Operation.ALTER)
        if set(changes) - set(failed):
            await call.in_thread(call.broker.security.change, apply)
    except LogflumeError as error:
        failed.update((name, (error.code, str(error))) for name in names)
    return {
        "results": [
            {
                "user": name,
                "error_code": failed.get(name, (0, ""))[0],
                "error_message": failed[name][1] if name in failed else None,
            }
            for name in names
        ]
    }


def _change(asked: Any) -> tuple[str, Credential | None]:
    """The mechanism, and its new keys; None takes them away."""
    mechanism = MECHANISMS.get(asked.mechanism)
    if mechanism is None:
        raise _Refused(UNSUPPORTED_SASL_MECHANISM, f"no mechanism has the number {asked.mechanism}")
    if not asked.name or len(asked.name.encode("utf-8", "replace")) > NAME_BYTES_MAX:
        raise _Refused(UNACCEPTABLE_CREDENTIAL, "a user has a name")
    iterations = getattr(asked, "iterations", None)
    if iterations is None:
        return mechanism, None
    if not ITERATIONS_MIN <= iterations <= ITERATIONS_MAX:
        raise _Refused(
            UNACCEPTABLE_CREDENTIAL, f"iterations must be {ITERATIONS_MIN} to {ITERATIONS_MAX}"
        )
    if len(asked.salt) < SALT_BYTES_MIN or not asked.salted_password:
        raise _Refused(
            UNACCEPTABLE_CREDENTIAL, f"a salt has {SALT_BYTES_MIN} bytes or more, a password some"
        )
    salted = bytes(asked.salted_password)
    return mechanism, make_credential(
        mechanism, iterations=iterations, salt=bytes(asked.salt), salted=salted
    )
