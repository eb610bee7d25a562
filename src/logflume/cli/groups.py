"""`group ls|describe|seek|delete` and `lag`."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from logflume.cli.amounts import count_text, plural, time_text
from logflume.cli.context import Shared
from logflume.cli.failures import Failed, Usage
from logflume.cli.group_view import CONSUMER, GroupView, Progress
from logflume.cli.output import Table
from logflume.cli.place import offsets_of, parse_place
from logflume.errors import GroupNotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.client.log import Log
    from logflume.types import TopicPartition

__all__ = ["delete", "describe", "lag", "ls", "seek"]

_Group = Annotated[str, Parameter(help="The group's name.")]


def ls(*, context: Shared) -> None:
    """List the groups: those with members, and those that left offsets."""
    with context.look() as log:
        view = GroupView(log)
        rows = []
        for group, state in view.states().items():
            members = len(view.describe(group).members) if state != "Unknown" else 0
            progress = view.progress(group) if state != "Unknown" else []
            rows.append(
                {
                    "group": group,
                    "type": view.kind(group),
                    "state": state,
                    "members": members,
                    "partitions": len(progress),
                    "lag": _total(progress),
                }
            )
    table = Table("GROUP", "TYPE", "STATE", ">MEMBERS", ">PARTITIONS", ">LAG")
    for row in rows:
        table.add(*(value if isinstance(value, str) else f"{value:,}" for value in row.values()))
    context.output.answer(rows, table if rows else "no groups yet")


def _total(progress: list[Progress]) -> int:
    return sum(row.lag or 0 for row in progress)


def describe(group: _Group, /, *, context: Shared) -> None:
    """Show a group's members, what each owns, and how far it got in every partition."""
    with context.look() as log:
        view = GroupView(log)
        description = view.describe(group)
        progress = view.progress(group)
        kind = view.kind(group)
    members = Table("MEMBER", "CLIENT", ">PID OR HOST", "JOINED", "ALIVE", "OWNS")
    for member in description.members:
        owned = ", ".join(map(str, member.owned)) or "-"
        name = member.instance_id or member.client_id or "-"
        alive = "yes" if member.alive else "no"
        # A broker's client has an address instead of a process of this machine.
        place = str(member.pid) if member.pid else member.client_host.lstrip("/")
        joined = time_text(member.joined_ms) if member.joined_ms else "-"
        members.add(member.member_id, name, place, joined, alive, owned)
    word = "" if kind == CONSUMER else f"{kind} group, "
    head = (
        f"{group}: {word}{description.state.lower()}, {plural(len(description.members), 'member')}"
    )
    if description.assignor:
        head += f", assigned by {description.assignor}, generation {description.generation}"
    document = {
        "group": group,
        "type": kind,
        "state": description.state,
        "generation": description.generation,
        "assignor": description.assignor,
        "members": [
            {
                "member_id": member.member_id,
                "client_id": member.client_id,
                "instance_id": member.instance_id,
                "client_host": member.client_host or None,
                "pid": member.pid or None,
                "joined_ms": member.joined_ms or None,
                "alive": member.alive,
                "topics": list(member.topics),
                "assigned": [list(where) for where in member.assigned],
                "owned": [list(where) for where in member.owned],
            }
            for member in description.members
        ],
        "partitions": [row._asdict() for row in progress],
        "lag": _total(progress),
    }
    texts: list[str | Table] = [head, ""]
    if description.members:
        texts += [members, ""]
    context.output.answer(document, *texts, *_progress_texts(progress))


def lag(
    group: Annotated[
        str | None, Parameter(help="The group's name; all groups when left out.")
    ] = None,
    /,
    *,
    context: Shared,
) -> None:
    """Show how many records a group has still to read."""
    with context.look() as log:
        view = GroupView(log)
        if group is None:
            states = view.states()
            document: Any = [
                {"group": name, "lag": _total(view.progress(name))}
                for name, state in states.items()
                if state != "Unknown"
            ]
            table = Table("GROUP", ">LAG", rows=[(r["group"], f"{r['lag']:,}") for r in document])
            context.output.answer(document, table if document else "no groups yet")
            return
        progress = view.progress(group)
    document = {
        "group": group,
        "lag": _total(progress),
        "partitions": [row._asdict() for row in progress],
    }
    context.output.answer(document, *_progress_texts(progress))


def _progress_texts(progress: list[Progress]) -> list[str | Table]:
    if not progress:
        return ["nothing committed and nothing assigned yet"]
    table = Table("TOPIC", ">PARTITION", ">COMMITTED", ">END", ">LAG", "OWNER")
    for row in progress:
        lag_text = "-" if row.lag is None else count_text(row.lag)
        offsets = (_offset(row.committed), _offset(row.end_offset))
        table.add(row.topic, row.partition, *offsets, lag_text, row.owner or "-")
    if len(progress) > 1:
        table.add("total", "", "", "", count_text(_total(progress)), "")
    return [table]


def _offset(value: int | None) -> str:
    """Without separators: offsets are copied, counts are read."""
    return "-" if value is None else str(value)


def seek(
    group: _Group,
    topic: Annotated[
        str | None, Parameter(help="Only this topic; all that the group committed when left out.")
    ] = None,
    /,
    *,
    to: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            help="beginning, end, -100 (the last 100), an offset, 10m (ago), an ISO time or"
            " milliseconds since 1970.",
        ),
    ],
    partition: Annotated[
        list[int] | None, Parameter(name=["--partition", "-p"], help="Only this one; repeatable.")
    ] = None,
    dry_run: Annotated[
        bool, Parameter(show_default=False, help="Show what would be, and change nothing.")
    ] = False,
    context: Shared,
) -> None:
    """Move a group to another place. The group must be there already, or TOPIC be named; it must have no members."""
    import time

    place = parse_place(to, option="--to", now_ms=time.time_ns() // 1_000_000)
    with context.open() as log:
        view = GroupView(log)
        try:
            view.require_empty(group)
        except GroupNotFound:
            if topic is None:
                raise
        before = {where: entry.offset for where, entry in view.offsets(group).items()}
        chosen = _chosen(log, before, topic, partition)
        after: dict[TopicPartition, int] = {}
        for name in sorted({where.topic for where in chosen}):
            partitions = [log.partition(*where) for where in sorted(chosen) if where.topic == name]
            after.update(offsets_of(place, partitions))
        if not dry_run:
            view.store(group, after)
    rows = [
        {
            "topic": where.topic,
            "partition": where.partition,
            "from": before.get(where),
            "to": offset,
        }
        for where, offset in after.items()
    ]
    table = Table("TOPIC", ">PARTITION", ">FROM", ">TO")
    for where, offset in after.items():
        table.add(where.topic, where.partition, _offset(before.get(where)), offset)
    said = "would move" if dry_run else "moved"
    context.output.answer(
        {"group": group, "dry_run": dry_run, "partitions": rows},
        table,
        "",
        f"{said} {group} in {plural(len(rows), 'partition')}",
    )


def _chosen(
    log: Log, before: dict[TopicPartition, int], topic: str | None, numbers: list[int] | None
) -> set[TopicPartition]:
    from logflume.types import TopicPartition

    if topic is not None:
        there = range(log.describe_topic(topic).partitions)
        return {TopicPartition(topic, number) for number in (numbers or there)}
    if numbers is not None:
        raise Usage("--partition needs a topic: logflume group seek GROUP TOPIC --partition P")
    known = set(log.topics(internal=True))
    chosen = {where for where in before if where.topic in known}
    if not chosen:
        raise Failed("the group committed nothing yet: name a topic")
    return chosen


def delete(
    group: _Group,
    /,
    *,
    yes: Annotated[bool, Parameter(show_default=False, help="Do not ask.")] = False,
    context: Shared,
) -> None:
    """Forget a group and its offsets. It must have no members. Asks first."""
    with context.open() as log:
        view = GroupView(log)
        view.require_empty(group)
        count = len(view.offsets(group))
        what = plural(count, "committed offset")
        context.confirm(f"Delete the group {group} ({what}) for good?", yes=yes)
        view.delete(group)
    context.output.answer(
        {"group": group, "deleted": True, "offsets": count}, f"deleted {group} ({what})"
    )
