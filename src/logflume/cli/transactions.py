"""`txn ls|describe|abort`."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from logflume.cli.amounts import plural, time_text
from logflume.cli.context import Shared
from logflume.cli.output import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.coordinator.transactions.administration import TransactionDescription

__all__ = ["abort", "describe", "ls"]

_Id = Annotated[str, Parameter(help="The transactional id.")]


def ls(*, context: Shared) -> None:
    """List the transactional ids, and the state of their last transaction."""
    with context.look() as log:
        found = log.transactions.list()
    table = Table("TRANSACTIONAL ID", "STATE", "ALIVE", ">PRODUCER", ">EPOCH", "SINCE")
    for one in found:
        table.add(
            one.transactional_id,
            one.state,
            _yes(one.alive),
            one.producer_id,
            one.producer_epoch,
            time_text(one.updated_ms),
        )
    rows = [_document(one) for one in found]
    context.output.answer(rows, table if rows else "no transactional ids yet")


def describe(transactional_id: _Id, /, *, context: Shared) -> None:
    """Show a transactional id, and the partitions whose committed readers wait for its open transaction."""
    with context.look() as log:
        found = log.transactions.describe(transactional_id)
        waiting = [
            {
                "topic": place.topic,
                "partition": place.partition,
                "first_offset": first,
                "end_offset": log.partition(*place).end_offset,
            }
            for place, first in found.open_partitions
        ]
    table = Table("TOPIC", ">PARTITION", ">FIRST", ">END")
    for row in waiting:
        table.add(*row.values())
    lines = [
        f"{transactional_id}  {found.state}",
        f"producer {found.producer_id}, epoch {found.producer_epoch}, {_alive(found.alive)}",
        f"may take {found.timeout_ms / 1000:g} s",
    ]
    if found.state == "Ongoing":
        lines[-1] += f", began {time_text(found.started_ms)}"
    else:
        lines[-1] += f", last change {time_text(found.updated_ms)}"
    if found.decided_by:
        lines.append(f"decided by the SQLite database {found.decided_by}")
    document = {**_document(found), "open_partitions": waiting}
    texts: list[str | Table] = [*lines]
    if waiting:
        texts += ["", table]
    context.output.answer(document, *texts)


def abort(
    transactional_id: _Id,
    /,
    *,
    yes: Annotated[bool, Parameter(show_default=False, help="Do not ask.")] = False,
    force: Annotated[
        bool,
        Parameter(
            show_default=False,
            help="Also when the SQLite database that decides it does not answer.",
        ),
    ] = False,
    context: Shared,
) -> None:
    """Abort the open transaction of a transactional id, also while its producer lives. Asks first.

    The producer's commit is then refused. A commit that is decided already is finished instead.
    """
    with context.open() as log:
        found = log.transactions.describe(transactional_id)
        count = plural(len(found.open_partitions), "partition")
        what = f"{found.state}, {_alive(found.alive)}, open in {count}"
        context.confirm(f"Abort the transaction of {transactional_id} ({what})?", yes=yes)
        aborted = log.transactions.abort(transactional_id, force=force)
    said = "aborted" if aborted else "no open transaction of"
    context.output.answer(
        {"transactional_id": transactional_id, "aborted": aborted}, f"{said} {transactional_id}"
    )


def _yes(alive: bool) -> str:
    return "yes" if alive else "-"


def _alive(alive: bool) -> str:
    return "alive" if alive else "not alive"


def _document(found: TransactionDescription) -> dict[str, Any]:
    return {
        "transactional_id": found.transactional_id,
        "state": found.state,
        "alive": found.alive,
        "producer_id": found.producer_id,
        "producer_epoch": found.producer_epoch,
        "timeout_ms": found.timeout_ms,
        "started_ms": found.started_ms,
        "updated_ms": found.updated_ms,
        "decided_by": found.decided_by or None,
    }
