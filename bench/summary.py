"""The first lines: a dozen paths, each way beside its limit and the peer that came nearest; and README's sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bench.results import Entry, Measure, Path_, duration, times
from bench.tables import shown

__all__ = ["readme", "summary_table"]


@dataclass(frozen=True, slots=True)
class Row:
    """`text` for a reader; `path`, `way`, `x`: where it is measured; `limit`: other than the path's first."""

    text: str
    path: str
    way: str
    x: float | None = None
    limit: str | None = None


ROWS = [
    Row("send, one call a record", "Producer.send per call", "send", 100),
    Row("append that survives `kill -9`, one call a record", "Append per call", "append", 100),
    Row("a list of records", "Lists of records", "append_many(list)", 100),
    Row("a column of records", "Columns in", "Arrow binary", 100),
    Row("one record on the disk (p50)", "Durable, one thread", "send().result()"),
    Row("a record on the disk, 16 threads", "Durable, group commit", "send().result()", 16),
    Row("a record on the disk, lists of 1,000", "Durable, lists of 1,000", "send_many"),
    Row("a transaction of 10 records", "Transactions", "one partition", 10),
    Row("read, an object a record", "Read record by record", "for record in consumer", 100),
    Row("read as columns, checksums computed", "Read as columns", "read batches", 100),
    Row("look up an offset", "Look-up by offset, warm", "partition.read"),
    Row("lines of JSON, packed with lz4", "Compression: lz4", "send_many lz4"),
    Row("the same lines, unpacked", "Decompression: lz4", "views"),
    Row("a queue: take 100, answer, commit", "Queue", "queue: poll, accept, commit", 100),
    Row("from process to process, asleep (p50)", "Latency, blocking", "append, poll(1.0)"),
    Row("from process to process, awake (p50)", "Latency, spinning", "append, poll(0)"),
    Row("memory of a producer", "Memory of a producer", "producer.send"),
    Row("`import logflume`, over the interpreter", "Import", "import logflume"),
]

README_AT = re.compile(r"(?<=\*\*Speed\*\*: ).*?(?=\n- \*\*)", re.DOTALL)


def _found(paths: Iterable[Path_], row: Row) -> tuple[Path_, Measure, Entry] | None:
    path = next((path for path in paths if path.title == row.path), None)
    measure = None if path is None else path.at(row.x)
    entry = None if measure is None else measure.entry(row.way)
    return None if path is None or measure is None or entry is None else (path, measure, entry)


def summary_table(paths: list[Path_]) -> list[str]:
    """Ratios are logflume's speed (or smallness) over the other's: medians."""
    lines = ["| | logflume | limit | ratio | nearest peer | ratio |", "|---|---|---|---|---|---|"]
    for row in ROWS:
        if (found := _found(paths, row)) is None:
            continue
        path, measure, entry = found
        limit = measure.entry(row.limit) if row.limit is not None else measure.limit()
        cells = [row.text, shown(entry, path.unit, path.is_amount)]
        for other in (limit, measure.nearest_peer()):
            ratio = "" if other is None else times(entry.beside(other).median)
            name = "" if other is None else other.name
            cost = "" if other is None else f": {shown(other, path.unit, path.is_amount)}"
            cells += [name + cost, ratio]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def readme(text: str, paths: list[Path_]) -> str:
    """README.md with the figures of this run; unchanged where it lacks one of them."""

    def cost(number: int) -> float | None:
        found = _found(paths, ROWS[number])
        return None if found is None else found[2].cost

    each = [cost(number) for number in (0, 1, 10, 3, 9)]
    if None in each:
        return text
    send, append, look_up, into, out = (one for one in each if one is not None)
    said = (
        f"a send costs {duration(send)}, an append that survives `kill -9` {duration(append)}, a look-up by offset\n"
        f"  {duration(look_up)}; columns go in at {1000 / into:.0f} million records a second and come out at"
        f" {1000 / out:.0f} (100-byte values, one core).\n"
        "  [Benchmarks](docs/benchmarks.md) beside physical limits and other stores."
    )
    return README_AT.sub(said.replace("\\", r"\\"), text, count=1)
