"""`maintain` and `recover`."""

from __future__ import annotations

from logflume.cli.amounts import bytes_text, plural
from logflume.cli.context import Shared
from logflume.cli.output import Table

__all__ = ["maintain", "recover"]


def maintain(*, context: Shared) -> None:
    """Apply retention.ms and retention.bytes, and compact topics with cleanup.policy=compact.

    Nothing of this happens by itself: run it from time to time.
    """
    with context.open() as log:
        removed = log.maintenance()
    rows = [
        {"topic": topic, "partition": number, "segments": segments, "bytes": size}
        for (topic, number), (segments, size) in sorted(removed.items())
    ]
    table = Table("TOPIC", ">PARTITION", ">SEGMENTS FEWER", ">FREED")
    for (topic, number), (segments, size) in sorted(removed.items()):
        table.add(topic, number, segments, bytes_text(size))
    context.output.answer(rows, table if rows else "nothing to delete or compact")


def recover(*, context: Shared) -> None:
    """Open every partition, which makes it whole after a crash, and tell what was found and done."""
    with context.open() as log:
        for name in log.topics(internal=True):
            log.directory.partitions(name)
        reports = sorted(log.recovery(), key=lambda r: (r.topic, r.partition))
    rows = [
        {**report._asdict(), "cuts": [cut._asdict() for cut in report.cuts]} for report in reports
    ]
    table = Table("TOPIC", ">PARTITION", ">START", ">END", "CLOSED", ">SCANNED", ">CUT OFF")
    for report in reports:
        table.add(
            report.topic,
            report.partition,
            report.start_offset,
            report.end_offset,
            "clean" if report.clean else "by a crash",
            bytes_text(report.bytes_scanned),
            bytes_text(sum(cut.size for cut in report.cuts)),
        )
    cuts = [
        f"cut {plural(cut.size, 'byte')} off {cut.path} at position {cut.position}: {cut.reason}"
        for report in reports
        for cut in report.cuts
    ]
    context.output.answer(rows, table if rows else "no partitions yet", *cuts)
