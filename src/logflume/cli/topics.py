"""`init`, `ls` and `topic create|describe|alter|delete`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from logflume.cli.amounts import bytes_text, count_text, plural, time_text
from logflume.cli.context import Context, Shared
from logflume.cli.failures import Usage
from logflume.cli.output import Table
from logflume.cli.settings import parse_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.client.engine import TopicInfo
    from logflume.client.log import Log

__all__ = ["alter", "create", "delete", "describe", "init", "ls", "open_directory"]

_Settings = Annotated[
    list[str] | None,
    Parameter(
        name="--config",
        help="name=value with Kafka's names, such as retention.ms=7d or compression.type=lz4; repeatable.",
    ),
]
_Topic = Annotated[str, Parameter(help="The topic's name.")]


def init(*, context: Shared) -> None:
    """Make a log directory, or leave one that is there as it is."""
    import os

    from logflume.log.layout import META_FILE

    there = os.path.exists(os.path.join(context.directory, META_FILE))
    with context.create() as log:
        meta = log.directory.meta
        document = {
            "directory": log.path,
            "created": not there,
            "cluster_id": meta.cluster_id,
            "directory_id": meta.directory_id,
        }
        said = "is a log directory already" if there else "is now a log directory"
        context.output.answer(document, f"{log.path} {said}")


def ls(
    *,
    internal: Annotated[
        bool, Parameter(show_default=False, help="Show internal topics too.")
    ] = False,
    context: Shared,
) -> None:
    """List the topics."""
    with context.look() as log:
        topics = [_summary(log, name) for name in log.topics(internal=internal)]
        table = Table("TOPIC", ">PARTITIONS", ">RECORDS", ">SIZE", "SETTINGS")
        for topic in topics:
            settings = " ".join(f"{name}={value}" for name, value in topic["config"].items())
            table.add(
                topic["topic"],
                topic["partitions"],
                count_text(topic["records"]),
                bytes_text(topic["bytes"]),
                settings or "-",
            )
        empty = "no topics yet (make one with: logflume topic create NAME)"
        context.output.answer(topics, table if topics else empty)


def open_directory(directory: str, /, *, context: Shared) -> None:
    """Look into a log directory without changing it, also one that a stopped Kafka left: its topics, internal ones too.

    Then on with `logflume --dir DIRECTORY --read-only` and cat, topic describe, group describe, lag, du, verify, dump.
    """
    ls(internal=True, context=Context(directory, json=context.json, read_only=True))


def _summary(log: Log, name: str) -> dict[str, Any]:
    entry = log.describe_topic(name)
    partitions = log.directory.partitions(name)
    return {
        "topic": name,
        "partitions": entry.partitions,
        "records": sum(p.end_offset - p.start_offset for p in partitions),
        "bytes": sum(segment.size for p in partitions for segment in p.segments()),
        "config": entry.config.strings(),
    }


def create(
    topic: _Topic,
    /,
    *,
    partitions: Annotated[int | None, Parameter(help="How many partitions. [default: 1]")] = None,
    config: _Settings = None,
    context: Shared,
) -> None:
    """Create a topic. The directory is made where there is none."""
    with context.create() as log:
        log.create_topic(topic, partitions=partitions, config=parse_settings(config))
        entry = log.describe_topic(topic)
        said = f"created {topic} with {plural(entry.partitions, 'partition')}"
        context.output.answer(_described(entry), said)


def describe(
    topic: _Topic,
    /,
    *,
    all_settings: Annotated[
        bool,
        Parameter(
            show_default=False, name="--all", help="Show settings left at their default too."
        ),
    ] = False,
    context: Shared,
) -> None:
    """Show a topic's settings and partitions."""
    with context.look() as log:
        entry = log.describe_topic(topic)
        rows = [_partition_row(log, topic, number) for number in range(entry.partitions)]
        given = entry.config.strings()
        document = {**_described(entry), "partition_list": rows}
        settings = Table("SETTING", "VALUE", "")
        for name, option in entry.config.options.items():
            if name in given:
                settings.add(name, given[name], "set")
            elif all_settings and option.default is not None:
                settings.add(name, option.kind.format(option.default), "default")
        if all_settings:
            document["defaults"] = {
                name: option.kind.format(option.default)
                for name, option in entry.config.options.items()
                if name not in given and option.default is not None
            }
        partitions = Table(
            ">PARTITION", ">START", ">END", ">RECORDS", ">SEGMENTS", ">SIZE", "NEWEST"
        )
        for row in rows:
            partitions.add(
                row["partition"],
                row["start_offset"],
                row["end_offset"],
                count_text(row["end_offset"] - row["start_offset"]),
                row["segments"],
                bytes_text(row["bytes"]),
                time_text(row["newest_timestamp"]),
            )
        head = f"{topic}  id {entry.topic_id or '-'}  {plural(entry.partitions, 'partition')}"
        texts: list[str | Table] = [head, ""]
        if settings.rows:
            texts += [settings, ""]
        context.output.answer(document, *texts, partitions)


def _described(entry: TopicInfo) -> dict[str, Any]:
    return {
        "topic": entry.name,
        "id": entry.topic_id,
        "partitions": entry.partitions,
        "config": entry.config.strings(),
    }


def _partition_row(log: Log, topic: str, number: int) -> dict[str, Any]:
    partition = log.partition(topic, number)
    segments = partition.segments()
    return {
        "partition": number,
        "start_offset": partition.start_offset,
        "end_offset": partition.end_offset,
        "segments": len(segments),
        "bytes": sum(segment.size for segment in segments),
        "newest_timestamp": max((segment.max_timestamp for segment in segments), default=-1),
    }


def alter(
    topic: _Topic,
    /,
    *,
    partitions: Annotated[
        int | None, Parameter(help="How many partitions it shall have; never fewer.")
    ] = None,
    config: _Settings = None,
    context: Shared,
) -> None:
    """Add partitions, or change settings (name= sets one back to its default). Takes effect at once."""
    settings = parse_settings(config)
    if partitions is None and not settings:
        raise Usage("nothing to alter: give --partitions or --config name=value")
    with context.open() as log:
        log.alter_topic(topic, partitions=partitions, config=settings)
        context.output.answer(_described(log.describe_topic(topic)), f"altered {topic}")


def delete(
    topic: _Topic,
    /,
    *,
    yes: Annotated[bool, Parameter(show_default=False, help="Do not ask.")] = False,
    context: Shared,
) -> None:
    """Delete a topic with all its records. Asks first."""
    with context.open() as log:
        summary = _summary(log, topic)
        what = f"{plural(summary['records'], 'record')}, {bytes_text(summary['bytes'])}"
        context.confirm(f"Delete the topic {topic} ({what}) for good?", yes=yes)
        log.delete_topic(topic)
        document = {"topic": topic, "deleted": True, "records": summary["records"]}
        context.output.answer(document, f"deleted {topic} ({what})")
