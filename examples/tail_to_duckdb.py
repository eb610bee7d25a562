"""Copy a topic into a DuckDB table as it grows, every record once.

    tail_to_duckdb.py --dir data TOPIC table.duckdb          until interrupted
    tail_to_duckdb.py --dir data TOPIC table.duckdb --once   until nothing is left

Batches go over through Arrow, without an object for each record. The offset of the next record is stored in the same
transaction as the rows, so a kill between two batches neither loses nor doubles any; no consumer group is needed.
"""

from __future__ import annotations

import argparse

import duckdb

import logflume

TABLES = """
create table if not exists records
    (partition integer, "offset" bigint, timestamp timestamptz, key blob, value blob);
create table if not exists positions (partition integer primary key, next bigint)
"""


def copy(consumer: logflume.Consumer, db: duckdb.DuckDBPyConnection, *, timeout: float) -> int:
    """Copy one batch; returns the number of records, 0 when there was none for `timeout` seconds."""
    batch = consumer.poll_batch(timeout=timeout, max_records=200_000)
    if batch is None:
        return 0
    db.execute("begin")
    db.execute('insert into records select partition, "offset", timestamp, key, value from batch')
    db.execute(
        'insert or replace into positions select partition, max("offset") + 1 from batch group by 1'
    )
    db.execute("commit")
    return len(batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--dir", default="logflume-data", help="a directory, or kafka://host:9092")
    parser.add_argument("--once", action="store_true", help="stop when nothing is left")
    parser.add_argument("topic")
    parser.add_argument("database")
    args = parser.parse_args()

    with (
        logflume.open(args.dir) as log,
        duckdb.connect(args.database) as db,
        log.consumer(args.topic, auto_offset_reset="earliest") as consumer,
    ):
        db.execute(TABLES)
        for number, following in db.execute("select partition, next from positions").fetchall():
            consumer.seek(args.topic, number, following)
        copied = 0
        try:
            while (count := copy(consumer, db, timeout=0.2)) or not args.once:
                copied += count
        except KeyboardInterrupt:
            pass
        rows, size = db.execute("select count(*), sum(octet_length(value)) from records").fetchone()
        print(f"copied {copied:,} records; the table has {rows:,}, {size or 0:,} bytes of values")


if __name__ == "__main__":
    main()
