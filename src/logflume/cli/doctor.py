"""`doctor`: whether this machine and this directory can do what logflume relies on."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from logflume.cli.amounts import plural
from logflume.cli.context import Shared
from logflume.cli.machine import Check, directory_checks, library_checks, machine_checks
from logflume.cli.output import Table

__all__ = ["doctor"]


def doctor(
    *,
    failpoints: Annotated[
        bool,
        Parameter(
            show_default=False,
            help="List the failpoints instead (tests arm them with LOGFLUME_FAILPOINT=name:nth:action).",
        ),
    ] = False,
    context: Shared,
) -> int:
    """Check the kernel, the linked libraries, the file system and the directory. Exit code 1 when one will not do."""
    if failpoints:
        from logflume._native.partition_log import failpoint_names

        names = failpoint_names()
        context.output.answer(names, *names)
        return 0
    checks: list[Check] = [
        *machine_checks(),
        *library_checks(),
        *directory_checks(context.directory),
    ]
    table = Table("CHECK", "", "FOUND")
    for check in checks:
        table.add(check.name, "ok" if check.ok else "no", check.found)
    bad = sum(not check.ok for check in checks)
    said = f"{plural(bad, 'problem')} found" if bad else "all is well"
    context.output.answer(
        {"ok": not bad, "checks": [check._asdict() for check in checks]}, table, "", said
    )
    return 1 if bad else 0
