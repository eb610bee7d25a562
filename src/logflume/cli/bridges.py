"""`mirror` and `promote`: copies of topics in another directory or a Kafka cluster."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from logflume.cli.amounts import bytes_text, count_text
from logflume.cli.context import Shared
from logflume.cli.output import Table
from logflume.cli.progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from logflume.bridge import MirrorReport

__all__ = ["mirror", "promote"]

_Topics = Annotated[
    tuple[str, ...],
    Parameter(name="--topic", help="Only this topic; may be given several times. Default: all."),
]


def mirror(
    source: str,
    target: str,
    /,
    *,
    topics: _Topics = (),
    follow: Annotated[
        bool, Parameter(show_default=False, help="Go on with what comes, until interrupted.")
    ] = False,
    verify: Annotated[
        bool, Parameter(show_default=False, help="Read everything on both sides and compare.")
    ] = False,
    context: Shared,
) -> None:
    """Copy topics from SOURCE to TARGET at the same offsets; go on where an earlier copy ended.

    Each is a directory or kafka://host:port. Between directories batches are copied byte for byte.
    """
    import threading

    from logflume import bridge
    from logflume.client.log import open_log

    stop = threading.Event()
    with open_log(source) as left, open_log(target) as right:
        with Progress("mirror", None) as progress:
            chosen = topics or None
            try:
                reports = bridge.mirror(
                    left, right, chosen, follow=follow, stop=stop, on_progress=_adder(progress)
                )
            except KeyboardInterrupt:
                if not follow:
                    raise
                reports = bridge.mirror(left, right, chosen)
        compared = 0
        if verify:
            compared = sum(
                bridge.compare(left, right, n) for n in sorted({r.topic for r in reports})
            )
    rows = [report._asdict() for report in reports]
    context.output.answer(rows, _table(reports))
    if verify and not context.json:
        context.output.note(f"{compared:,} records are the same on both sides")


def promote(
    directory: str,
    target: str,
    /,
    *,
    topics: _Topics = (),
    no_verify: Annotated[
        bool, Parameter(show_default=False, help="Do not read everything back to compare it.")
    ] = False,
    context: Shared,
) -> None:
    """Hand a directory's topics and groups over to a Kafka: kafka://host:port, or a stopped Kafka's log directory.

    Offsets, times, keys and headers stay the same; committed offsets of groups go along. Can be repeated: it goes on
    where it ended. In a stopped Kafka's directory the topics must exist, with the same number of partitions.
    """
    from logflume import bridge
    from logflume.client.log import open_log

    with (
        open_log(directory) as left,
        open_log(target) as right,
        Progress("promote", None) as progress,
    ):
        report = bridge.promote(
            left, right, topics or None, verify=not no_verify, on_progress=_adder(progress)
        )
    answer = {
        "partitions": [part._asdict() for part in report.partitions],
        "groups": list(report.groups),
        "compared": report.compared,
    }
    context.output.answer(answer, _table(report.partitions))
    if not context.json:
        groups = f"; groups: {', '.join(report.groups)}" if report.groups else ""
        context.output.note(f"{report.compared:,} records are the same on both sides{groups}")


def _adder(progress: Progress) -> Callable[[int, int], None]:
    return lambda records, size: progress.add(size, records)


def _table(reports: Iterable[MirrorReport]) -> Table:
    table = Table("TOPIC", ">PARTITION", ">COPIED", ">SIZE", ">END")
    for report in reports:
        table.add(
            report.topic,
            report.partition,
            count_text(report.records),
            bytes_text(report.size),
            count_text(report.end_offset),
        )
    return table
