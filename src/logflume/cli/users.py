"""`user set|ls|delete`: who can log in to a broker of this directory."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from logflume.cli.context import Shared
from logflume.cli.failures import Failed, Usage
from logflume.cli.output import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.broker.security.store import SecurityState, SecurityStore
    from logflume.cli.context import Context

__all__ = ["delete", "ls", "set_password"]

_Name = Annotated[str, Parameter(help="The user's name.")]
_Mechanisms = Annotated[
    list[str] | None,
    Parameter(help="SCRAM-SHA-256 or SCRAM-SHA-512; repeatable. Without it, both."),
]


def set_password(
    name: _Name,
    /,
    *,
    mechanism: _Mechanisms = None,
    iterations: Annotated[
        int, Parameter(help="How much work a guess is, from 4096 to 16384.")
    ] = 8192,
    context: Shared,
) -> None:
    """Make a user, or change the password, which is asked for, or read as a line of standard input.

    A broker that runs knows it at once. The password itself is not kept.
    """
    from logflume.broker.security.users import ITERATIONS_MAX, ITERATIONS_MIN, make_credential

    chosen = _checked(mechanism)
    if not ITERATIONS_MIN <= iterations <= ITERATIONS_MAX:
        raise Usage(f"--iterations {iterations}: must be {ITERATIONS_MIN} to {ITERATIONS_MAX}")
    if not name.isprintable() or not name:
        raise Usage("a user's name has no control characters, and is not empty")
    store = _store(context)
    password = _password(name)
    made = {one: make_credential(one, password, iterations=iterations) for one in chosen}

    def apply(state: SecurityState) -> SecurityState:
        kept = {**state.users.get(name, {}), **made}
        return state._replace(users={**state.users, name: kept})

    store.change(apply)
    context.output.answer(
        {"user": name, "mechanisms": chosen}, f"set the password of {name} ({', '.join(chosen)})"
    )


def ls(*, context: Shared) -> None:
    """List the users, and by which mechanisms they can log in."""
    users = _store(context).current().users
    table = Table("USER", "MECHANISM", ">ITERATIONS")
    rows = []
    for name, kept in sorted(users.items()):
        for one, credential in sorted(kept.items()):
            table.add(name, one, credential.iterations)
            rows.append({"user": name, "mechanism": one, "iterations": credential.iterations})
    context.output.answer(rows, table if rows else "no users yet")


def delete(name: _Name, /, *, context: Shared) -> None:
    """Delete a user. Connections that it has stay until they end or have to log in again."""
    store = _store(context)

    def apply(state: SecurityState) -> SecurityState:
        if name not in state.users:
            raise Failed(f"there is no user {name}")
        return state._replace(users={n: kept for n, kept in state.users.items() if n != name})

    store.change(apply)
    context.output.answer({"user": name, "deleted": True}, f"deleted {name}")


def _checked(mechanisms: list[str] | None) -> list[str]:
    from logflume.broker.security.users import HASHES

    for one in mechanisms or ():
        if one not in HASHES:
            raise Usage(f"--mechanism {one}: must be one of {', '.join(HASHES)}")
    return list(dict.fromkeys(mechanisms or HASHES))


def _store(context: Context) -> SecurityStore:
    from logflume.broker.security.store import SecurityStore

    context.files().close()  # says so where there is no directory
    return SecurityStore(context.directory)


def _password(name: str) -> str:
    if sys.stdin.isatty():
        from getpass import getpass

        password = getpass(f"Password of {name}: ")
        if password != getpass("Again: "):
            raise Failed("these are two passwords; nothing was changed")
    else:
        password = sys.stdin.readline().rstrip("\n")
    if not password:
        raise Usage("a password is not empty")
    return password
