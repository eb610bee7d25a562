"""`verify`."""

from __future__ import annotations

import os
from typing import Annotated, Any

from cyclopts import Parameter

from logflume.cli.amounts import bytes_text, count_text, plural, rate_text
from logflume.cli.context import Shared
from logflume.cli.integrity import Finding, PartitionCheck, check_partition
from logflume.cli.output import Table
from logflume.cli.progress import Progress
from logflume.log import layout

__all__ = ["verify"]


def verify(
    topics: Annotated[
        tuple[str, ...],
        Parameter(help="Only these topics; all, with the internal ones, when left out."),
    ] = (),
    /,
    *,
    records: Annotated[
        bool,
        Parameter(
            show_default=False,
            help="Unpack and decode every record too: slower, and finds no more where CRCs hold.",
        ),
    ] = False,
    context: Shared,
) -> int:
    """Check all batches (CRC, offsets that follow) and indexes. Changes nothing. Exit code 1 on damage."""
    directory = context.files()
    try:
        entries = [directory.topic(name) for name in topics or directory.topics(internal=True)]
        places = [
            (
                entry,
                number,
                os.path.join(directory.path, layout.partition_directory_name(entry.name, number)),
            )
            for entry in entries
            for number in range(entry.partitions)
        ]
        places = [place for place in places if os.path.isdir(place[2])]
        checks = []
        with Progress("verify", sum(_log_bytes(path) for _, _, path in places)) as progress:
            for entry, number, path in places:
                gaps = entry.foreign or "compact" in entry.config.cleanup_policy
                checks.append(
                    check_partition(
                        path,
                        entry.name,
                        number,
                        allow_gaps=gaps,
                        records=records,
                        step=progress.add,
                    )
                )
    finally:
        directory.close()
    damaged = any(check.damaged for check in checks)
    texts = [*_texts(checks), _summary(checks, progress)]
    context.output.answer({"ok": not damaged, "partitions": [_document(c) for c in checks]}, *texts)
    return 1 if damaged else 0


def _log_bytes(path: str) -> int:
    return sum(
        entry.stat().st_size for entry in os.scandir(path) if entry.name.endswith(layout.LOG_SUFFIX)
    )


def _texts(checks: list[PartitionCheck]) -> list[str | Table]:
    table = Table("TOPIC", ">PARTITION", ">SEGMENTS", ">BATCHES", ">RECORDS", ">SIZE", "")
    for check in checks:
        table.add(
            check.topic,
            check.partition,
            check.segments,
            count_text(check.batches),
            count_text(check.records),
            bytes_text(check.bytes),
            "damaged" if check.damaged else "ok",
        )
    findings = [finding for check in checks for finding in check.findings]
    return [table, "", *(_line(finding) for finding in findings)]


def _line(finding: Finding) -> str:
    return f"{'damage' if finding.damage else 'note'}: {finding}"


def _summary(checks: list[PartitionCheck], progress: Progress) -> str:
    damage = sum(finding.damage for check in checks for finding in check.findings)
    size, seconds = sum(check.bytes for check in checks), progress.seconds
    speed = f"{bytes_text(size)} in {seconds:.2f} s, {rate_text(progress.records, seconds)}"
    said = f"{plural(damage, 'fault')} found" if damage else "no damage"
    return f"{plural(len(checks), 'partition')} checked: {said} ({speed})"


def _document(check: PartitionCheck) -> dict[str, Any]:
    return {
        "topic": check.topic,
        "partition": check.partition,
        "segments": check.segments,
        "batches": check.batches,
        "records": check.records,
        "bytes": check.bytes,
        "damaged": check.damaged,
        "findings": [finding._asdict() for finding in check.findings],
    }
