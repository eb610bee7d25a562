"""`cat` and `tail`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from logflume.cli.context import Shared
from logflume.cli.failures import Usage
from logflume.cli.formats import formatter
from logflume.cli.place import offsets_of, parse_place
from logflume.cli.stream import Selection, print_records

__all__ = ["cat", "tail"]

_Topic = Annotated[str, Parameter(help="The topic's name.")]
_From = Annotated[
    str,
    Parameter(
        name="--from",
        allow_leading_hyphen=True,
        help="Where to begin: beginning, end, -100 (the last 100), an offset, 10m (ago), an ISO time"
        " or milliseconds since 1970.",
    ),
]
_Until = Annotated[
    str | None,
    Parameter(
        name="--until",
        allow_leading_hyphen=True,
        help="Where to stop, in the same forms; exclusive.",
    ),
]
_Partition = Annotated[
    list[int] | None, Parameter(name=["--partition", "-p"], help="Only this one; repeatable.")
]
_Max = Annotated[int | None, Parameter(name="--max", help="Stop after this many records.")]
_Format = Annotated[
    str | None,
    Parameter(
        name="--format",
        help="value, key-value, json, hex, or a template like '{partition}:{offset} {key} {value}';"
        " fields: topic, partition, offset, timestamp, time, key, value, headers. [default: value]",
    ),
]


def cat(
    topic: _Topic,
    /,
    *,
    from_: _From = "beginning",
    until: _Until = None,
    partition: _Partition = None,
    max_: _Max = None,
    format_: _Format = None,
    follow: Annotated[
        bool,
        Parameter(
            show_default=False, name=["--follow", "-f"], help="Go on with new records as they come."
        ),
    ] = False,
    context: Shared,
) -> None:
    """Print records, in the order of their timestamps over all partitions.

    Stops at the end that was there when it began, unless told to follow.
    """
    if follow and until is not None:
        raise Usage("--follow has no end: leave --until or --follow out")
    _print(context, topic, from_, until, partition, max_, format_, follow)


def tail(
    topic: _Topic,
    /,
    *,
    last: Annotated[
        int, Parameter(name=["--last", "-n"], help="Begin with so many of the last records.")
    ] = 10,
    from_: Annotated[
        str | None,
        Parameter(name="--from", allow_leading_hyphen=True, help="Begin here instead, as for cat."),
    ] = None,
    partition: _Partition = None,
    max_: _Max = None,
    format_: _Format = None,
    follow: Annotated[
        bool,
        Parameter(
            show_default=False,
            name=["--follow", "-f"],
            negative="--no-follow",
            help="Wait for new records.",
        ),
    ] = True,
    context: Shared,
) -> None:
    """Print the last records, and new ones as they come, until interrupted."""
    if last < 0:
        raise Usage(f"--last {last}: expected 0 or more")
    _print(context, topic, from_ or f"-{last}", None, partition, max_, format_, follow)


def _print(
    context: Shared,
    topic: str,
    from_: str,
    until: str | None,
    numbers: list[int] | None,
    max_: int | None,
    format_: str | None,
    follow: bool,
) -> None:
    import time

    if max_ is not None and max_ < 1:
        raise Usage(f"--max {max_}: expected 1 or more")
    if context.json and format_ not in (None, "json"):
        raise Usage("--json is a format of its own: leave --format out")
    form = formatter("json" if context.json else format_ or "value")
    now_ms = time.time_ns() // 1_000_000
    begin = parse_place(from_, option="--from", now_ms=now_ms)
    stop = parse_place(until or "end", option="--until", now_ms=now_ms)
    with context.look() as log:
        chosen = numbers or range(log.describe_topic(topic).partitions)
        partitions = [log.partition(topic, number) for number in sorted(set(chosen))]
        ends = offsets_of(stop, partitions)
        selection = Selection(partitions, offsets_of(begin, partitions), ends, max_)
        if follow:
            selection.follow(log, new_partitions=not numbers)
        print_records(selection, form, note=context.output.note)
