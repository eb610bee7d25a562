"""`du`: where the bytes are."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from logflume.cli.amounts import bytes_text, count_text, ratio_text
from logflume.cli.context import Shared
from logflume.cli.output import Table
from logflume.cli.packing import Packing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.client.log import Log

__all__ = ["du"]

_By = Literal["topic", "partition", "segment"]


def du(
    topics: Annotated[
        tuple[str, ...], Parameter(help="Only these topics; all when left out.")
    ] = (),
    /,
    *,
    by: Annotated[_By, Parameter(help="One row for each.", show_default=True)] = "topic",
    ratio: Annotated[
        bool,
        Parameter(
            show_default=False,
            negative="--no-ratio",
            help="Tell what compression saves; --no-ratio reads no records.",
        ),
    ] = True,
    context: Shared,
) -> None:
    """Show how many bytes are used: by records, on disk with indexes and space written ahead.

    The ratio is of unpacked to stored bytes; in a large log it comes from a sample of its batches.
    """
    with context.look() as log:
        names = list(topics) or log.topics(internal=True)
        segments = [segment for name in names for segment in _segments(log, name)]
        packing = Packing(sum(segment["bytes"] for segment in segments))
        if ratio:
            for segment in segments:
                unpacked, stored = packing.measure(segment["path"], segment["bytes"])
                segment["sample"] = {"unpacked": unpacked, "stored": stored}
    rows = _grouped(segments, by)
    total = _grouped(segments, "total")
    document: dict[str, Any] = {"rows": rows, "total": total[0] if total else None}
    if ratio:
        document["ratio_exact"] = packing.exact
    table = _table(rows, total, by, ratio=ratio, exact=packing.exact)
    context.output.answer(document, table if rows else "nothing is stored here yet")


def _segments(log: Log, topic: str) -> list[dict[str, Any]]:
    out = []
    for partition in log.directory.partitions(topic):
        for segment in partition.segments():
            first = max(segment.base_offset, partition.start_offset)
            out.append(
                {
                    "topic": topic,
                    "partition": partition.partition,
                    "segment": os.path.basename(segment.path),
                    "path": segment.path,
                    "records": max(segment.end_offset - first, 0),
                    "bytes": segment.size,
                    "disk": _disk_bytes(segment.path),
                }
            )
    return out


def _disk_bytes(path: str) -> int:
    """What the segment and its indexes take on disk."""
    stem = os.path.splitext(path)[0]
    total = 0
    for suffix in (".log", ".index", ".timeindex", ".txnindex"):
        try:
            total += os.stat(stem + suffix).st_blocks * 512  # POSIX: always of 512 bytes
        except FileNotFoundError:
            continue
    return total


_KEYS: dict[str, tuple[str, ...]] = {
    "topic": ("topic",),
    "partition": ("topic", "partition"),
    "segment": ("topic", "partition", "segment"),
    "total": (),
}


def _grouped(segments: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    groups: dict[tuple[object, ...], dict[str, Any]] = {}
    for segment in segments:
        keys = {key: segment[key] for key in _KEYS[by]}
        row = groups.setdefault(
            tuple(keys.values()), {**keys, "segments": 0, "records": 0, "bytes": 0, "disk": 0}
        )
        row["segments"] += 1
        for field in ("records", "bytes", "disk"):
            row[field] += segment[field]
        if "sample" in segment:
            sample = row.setdefault("sample", {"unpacked": 0, "stored": 0})
            for field, value in segment["sample"].items():
                sample[field] += value
    for row in groups.values():
        sample = row.pop("sample", None)
        if sample is not None:
            stored = sample["stored"]
            row["ratio"] = round(sample["unpacked"] / stored, 3) if stored else None
    return list(groups.values())


def _table(
    rows: list[dict[str, Any]], total: list[dict[str, Any]], by: str, *, ratio: bool, exact: bool
) -> Table:
    names = [f">{key}" if key == "partition" else key for key in _KEYS[by]]
    columns = [*names, *([] if by == "segment" else [">segments"]), ">records", ">size", ">disk"]
    table = Table(*(column.upper() for column in [*columns, *([">ratio"] if ratio else [])]))
    several = len(rows) > 1
    for row in [*rows, *(total if several else [])]:
        cells = [row.get(key, "") for key in _KEYS[by]]
        if "topic" not in row:
            cells[0] = "total"
        if by != "segment":
            cells.append(count_text(row["segments"]))
        cells += [count_text(row["records"]), bytes_text(row["bytes"]), bytes_text(row["disk"])]
        if ratio:
            value = row.get("ratio")
            text = "-" if value is None else ratio_text(round(value * 1000), 1000)
            cells.append(text if exact or text == "-" else f"~{text}")
        table.add(*cells)
    return table
