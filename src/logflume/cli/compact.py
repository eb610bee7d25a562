"""`compact`: keep the last record of each key."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from logflume.cli.amounts import bytes_text, count_text
from logflume.cli.context import Shared
from logflume.cli.output import Table

__all__ = ["compact"]


def compact(
    topics: Annotated[
        tuple[str, ...], Parameter(help="Only these topics; all when left out.")
    ] = (),
    /,
    *,
    force: Annotated[
        bool,
        Parameter(
            show_default=False,
            help="Also where less is dirty than min.cleanable.dirty.ratio says.",
        ),
    ] = False,
    context: Shared,
) -> None:
    """Keep the last record of each key in topics with cleanup.policy=compact. Offsets do not change.

    The segment that is being written stays as it is. Others may have the directory open meanwhile.
    """
    with context.open() as log:
        reports = sorted(log.compact(*topics, force=force))
    table = Table("TOPIC", ">PARTITION", ">RECORDS FEWER", ">FREED", ">KEYS", ">PASSES", ">READ")
    for report in reports:
        table.add(
            report.topic,
            report.partition,
            count_text(report.records_removed),
            bytes_text(max(report.bytes_removed, 0)),
            count_text(report.keys),
            report.passes,
            bytes_text(report.bytes_read),
        )
    rows = [report._asdict() for report in reports]
    context.output.answer(rows, table if rows else "nothing to compact")
