"""`mirror` and `promote`: copies of topics in another directory or a Kafka cluster."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from logflume.cli.amounts import bytes_text, count_text
from logflume.cli.context import Context, Shared
from logflume.cli.failures import Usage
from logflume.cli.output import Table
from logflume.cli.place import parse_place
from logflume.cli.progress import Progress
from logflume.config.names import INTERNAL_TOPICS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from logflume.bridge import Archive, MirrorReport
    from logflume.client.log import Log

__all__ = ["mirror", "promote"]

_Topics = Annotated[
    tuple[str, ...],
    Parameter(name="--topic", help="Only this topic; may be given several times. Default: all."),
]

_NewOffsets = Annotated[
    bool,
    Parameter(
        show_default=False,
        help="Into a cluster: records behind a gap get the offsets that come, and groups' offsets are translated.",
    ),
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
    until: Annotated[
        str | None,
        Parameter(
            help="From an archive: what was there at this time (ISO 8601, ms, or 2h for ago)."
        ),
    ] = None,
    keep: Annotated[
        bool,
        Parameter(show_default=False, help="Into an archive: keep there what SOURCE deletes."),
    ] = False,
    new_offsets: _NewOffsets = False,
    groups: Annotated[
        bool,
        Parameter(
            show_default=False,
            help="From a log to another: have groups stand in the copy where they stand in SOURCE, all the time.",
        ),
    ] = False,
    verify: Annotated[
        bool, Parameter(show_default=False, help="Read everything on both sides and compare.")
    ] = False,
    context: Shared,
) -> None:
    """Copy topics from SOURCE to TARGET at the same offsets; go on where an earlier copy ended.

    Each is a directory, kafka://host:port, or an archive in an object store: s3://bucket/prefix, gs://…, az://…,
    file:///path. Between directories and archives batches are copied byte for byte. Out of an archive into a log it is
    a restore.
    """
    import signal
    import threading

    from logflume import bridge
    from logflume.client.log import Log

    moment = None if until is None else _moment(until)
    stop = threading.Event()
    if follow:
        # What is under way is finished and counts; a second signal ends it at once.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stopper(stop, number))
    with _opened(source, context) as left, _opened(target) as right:
        with Progress("mirror", None) as progress:
            reports = bridge.mirror(
                left,
                right,
                topics or None,
                follow=follow,
                until=moment,
                keep=keep,
                new_offsets=new_offsets,
                groups=groups,
                stop=stop,
                on_progress=_adder(progress),
            )
        names = sorted({r.topic for r in reports} - INTERNAL_TOPICS)
        compared = 0
        if verify:
            offsets = bridge.OffsetMap(right) if isinstance(right, Log) and new_offsets else None
            compared = sum(bridge.compare(left, right, n, offsets=offsets) for n in names)
    rows = [report._asdict() for report in reports]
    context.output.answer(rows, _table(reports))
    if verify and not context.json:
        context.output.note(f"{compared:,} records are the same on both sides")


def _opened(address: str, context: Context | None = None) -> Log | Archive:
    from logflume import bridge
    from logflume.client.log import open_log

    if bridge.is_store_address(address):
        return bridge.open_archive(address)
    return open_log(address, read_only=context is not None and context.read_only)


def _moment(text: str) -> int:
    import time

    place = parse_place(text, option="--until", now_ms=time.time_ns() // 1_000_000)
    if place.kind != "time":
        raise Usage(f"--until {text}: expected a time")
    return place.value


def _stopper(stop: threading.Event, number: int) -> Callable[..., None]:
    import signal

    def note(*_: object) -> None:
        stop.set()
        signal.signal(number, signal.default_int_handler)

    return note


def promote(
    directory: str,
    target: str,
    /,
    *,
    topics: _Topics = (),
    no_verify: Annotated[
        bool, Parameter(show_default=False, help="Do not read everything back to compare it.")
    ] = False,
    new_offsets: _NewOffsets = False,
    context: Shared,
) -> None:
    """Hand a directory's topics and groups over to a Kafka: kafka://host:port, or a stopped Kafka's log directory.

    Offsets, times, keys and headers stay the same; committed offsets of groups go along. Can be repeated: it goes on
    where it ended. In a stopped Kafka's directory the topics must exist, with the same number of partitions.
    """
    from logflume import bridge
    from logflume.client.log import open_log

    with (
        open_log(directory, read_only=context.read_only) as left,
        open_log(target) as right,
        Progress("promote", None) as progress,
    ):
        report = bridge.promote(
            left,
            right,
            topics or None,
            verify=not no_verify,
            new_offsets=new_offsets,
            on_progress=_adder(progress),
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
