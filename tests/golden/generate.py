"""Writes the golden files again: segments of a real Kafka, and what they hold, as JSON beside them.

    .venv/bin/python tests/golden/generate.py --peer ../shared/peers/kafka/kafka    all (1 minute; needs Java)
    .venv/bin/python tests/golden/generate.py --old-only                            the hand-made magic 0 and 1

`kafka/<topic>-0/` is a partition's directory as Kafka left it at its shutdown. `kafka/<topic>.json` holds
"records", read back through confluent-kafka (librdkafka), and "batches of <segment>", the headers as Kafka's
own dump tool prints them. Bytes are written as latin-1 text, long ones as {"size", "sha256"}.

In topics named `<codec>` the broker's Java code compressed; in `<codec>-librdkafka` the client did.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
OUT = HERE / "kafka"
OLD = HERE / "old"
SEGMENT = "00000000000000000000.log"
KEPT = (
    ".log",
    ".index",
    ".timeindex",
    ".txnindex",
    "leader-epoch-checkpoint",
    "partition.metadata",
)
CODECS = ("gzip", "snappy", "lz4", "zstd")
BASE_TIME = 1_700_000_000_000
LONG = (
    b"one line of a log that repeats itself\n" * 3000
)  # 114 kB: several blocks of snappy and of lz4

Row = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]], int]


def groups(*, long_value: bool) -> list[list[Row]]:
    """Three batches of records: keys, null keys, tombstones, empty values, headers, odd timestamps."""
    first: list[Row] = [
        (b"user-1", b"first", [], 0),
        (None, b"no key", [], 1),
        (b"user-2", None, [], 2),
        (b"", b"", [], 2),
        (b"user-1", b"\x00\x01\xfe\xff", [("source", b"web"), ("empty", b""), ("null", None)], 3),
    ]
    second: list[Row] = [
        (b"late", b"earlier than the one before", [], -5000),
        (None, None, [("only", b"a header"), ("only", b"twice")], 75_000),
        ("schlüssel".encode(), "grün ✓".encode(), [("naïve", "ö".encode())], 60_001),
    ]
    third: list[Row] = [
        (b"k%d" % (i % 7), b'{"n": %d, "text": "line"}' % i, [], 70_000 + i) for i in range(40)
    ]
    if long_value:
        third.append((b"long", LONG, [], 80_000))
    return [first, second, third]


# The old formats, by hand


def old_message(
    magic: int, offset: int, key: bytes | None, value: bytes | None, timestamp: int
) -> bytes:
    """One message of magic 0 or 1: offset, size, crc (zlib's), magic, attributes, [timestamp,] key, value."""

    def sized(data: bytes | None) -> bytes:
        return struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data

    body = struct.pack(">bb", magic, 0) + (struct.pack(">q", timestamp) if magic else b"")
    body += sized(key) + sized(value)
    return struct.pack(">qiI", offset, 4 + len(body), zlib.crc32(body)) + body


def write_old() -> None:
    for magic in (0, 1):
        where = OLD / f"magic{magic}-0"
        where.mkdir(parents=True, exist_ok=True)
        rows = [(b"k", b"value"), (None, b"no key"), (b"k", None)]
        data = b"".join(old_message(magic, i, k, v, BASE_TIME + i) for i, (k, v) in enumerate(rows))
        (where / SEGMENT).write_bytes(data)


# The real Kafka


class Peer:
    """A Kafka of our own in a temporary directory."""

    def __init__(self, script: str, where: Path) -> None:
        self.script = script
        self.where = where
        self.bootstrap = ""

    def run(self, *args: str) -> str:
        command = [self.script, "-d", str(self.where), *args]
        environment = {**os.environ, "KAFKA_HEAP": "256m", "KAFKA_TOOL_HEAP": "192m"}
        done = subprocess.run(
            command, check=True, env=environment, stdout=subprocess.PIPE, text=True
        )
        return done.stdout

    def up(self) -> None:
        settings = ("log.cleaner.backoff.ms=500", "offsets.topic.num.partitions=1",
                    "transaction.state.log.num.partitions=1", "log.cleaner.dedupe.buffer.size=2097152")  # fmt: skip
        self.bootstrap = self.run("up", *(f"--set={setting}" for setting in settings)).split()[-1]

    def partition(self, topic: str) -> Path:
        (found,) = self.where.glob(f"**/data/{topic}-0")
        return found

    def dump(self, segment: Path) -> list[dict[str, Any]]:
        out = self.run("tool", "kafka-dump-log", "--files", str(segment))
        lines = [line for line in out.splitlines() if line.startswith("baseOffset:")]
        return [_batch(line) for line in lines]


def _batch(line: str) -> dict[str, Any]:
    """A line of Kafka's dump tool as a dict; numbers and booleans as such."""
    batch: dict[str, Any] = {}
    for name, text in re.findall(r"(\w+): (\S+)", line):
        batch[name] = {"true": True, "false": False}.get(text, text)
        if re.fullmatch(r"-?\d+", text):
            batch[name] = int(text)
    return batch


def create(peer: Peer, topic: str, **config: str) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    # Old timestamps must not be cleaned away; a dense index shows more entries.
    settings = {"retention.ms": "-1", "index.interval.bytes": "100", **config}
    admin = AdminClient({"bootstrap.servers": peer.bootstrap})
    future = admin.create_topics([NewTopic(topic, 1, 1, config=settings)])[topic]
    future.result(30)


def produce(peer: Peer, topic: str, batches: list[list[Row]], **config: Any) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": peer.bootstrap, "linger.ms": 2000, **config})
    for rows in batches:
        _send(producer, topic, rows)
        producer.flush(30)


def _send(producer: Any, topic: str, rows: list[Row]) -> None:
    for key, value, headers, at in rows:
        producer.produce(
            topic, value=value, key=key, headers=headers, timestamp=BASE_TIME + at, partition=0
        )


def transactions(peer: Peer, topic: str) -> None:
    """Commit, abort, commit of one producer, and another's that is open meanwhile and aborts."""
    from confluent_kafka import Producer

    def transactional(name: str) -> Any:
        producer = Producer(
            {"bootstrap.servers": peer.bootstrap, "transactional.id": name, "linger.ms": 2000}
        )
        producer.init_transactions(30)
        return producer

    one, two = transactional("one"), transactional("two")
    two.begin_transaction()
    _send(two, topic, [(b"two", b"never seen", [], 0)])
    two.flush(30)
    for number, end in enumerate(("commit", "abort", "commit")):
        one.begin_transaction()
        _send(
            one,
            topic,
            [(b"one", b"%s %d" % (end.encode(), i), [], 10 * number + i) for i in range(3)],
        )
        one.flush(30)
        one.commit_transaction(30) if end == "commit" else one.abort_transaction(30)
    two.abort_transaction(30)
    produce(peer, topic, [[(b"plain", b"no transaction", [], 100)]])


def compacted(peer: Peer, topic: str) -> None:
    """Gaps in the offsets, batches that lost their last records, a tombstone with a delete horizon."""
    create(peer, topic, **{"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01",
                           "segment.ms": "500", "delete.retention.ms": "86400000"})  # fmt: skip
    rows: list[Row] = [(b"k%d" % (i % 4), b"version %d" % i, [], i) for i in range(12)]
    produce(peer, topic, [rows[:6], rows[6:], [(b"k3", None, [], 20), (b"k9", b"kept", [], 21)]])
    before = peer.partition(topic).joinpath(SEGMENT).stat().st_size
    # What rolls a segment is the time in its records, not the clock.
    produce(peer, topic, [[(b"k0", b"rolls the segment", [], 1000)]])
    deadline = time.monotonic() + 60
    while peer.partition(topic).joinpath(SEGMENT).stat().st_size == before:
        if time.monotonic() > deadline:
            raise SystemExit("the cleaner did not run")
        time.sleep(0.5)


def read_back(peer: Peer, topic: str, isolation: str) -> list[dict[str, Any]]:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": peer.bootstrap, "group.id": "golden", "isolation.level": isolation,
                         "enable.partition.eof": True, "check.crcs": True})  # fmt: skip
    consumer.assign([TopicPartition(topic, 0, 0)])
    records = []
    while True:
        message = consumer.poll(30)
        if message is None:
            raise SystemExit(f"{topic}: nothing to read")
        if message.error():
            consumer.close()
            return records
        records.append({
            "offset": message.offset(),
            "timestamp": message.timestamp()[1],
            "key": _text(message.key()),
            "value": _text(message.value()),
            "headers": [[_text(name.encode()), _text(value)] for name, value in message.headers() or []],
        })  # fmt: skip


def _text(data: bytes | None) -> Any:
    if data is None:
        return None
    if len(data) > 1000:
        return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return data.decode("latin-1")


def fill(peer: Peer) -> list[str]:
    """Creates and fills all topics; returns their names."""
    create(peer, "none")
    produce(peer, "none", groups(long_value=False), **{"enable.idempotence": True})
    names = ["none"]
    for codec in CODECS:
        create(peer, codec, **{"compression.type": codec})
        produce(peer, codec, groups(long_value=True))
        create(peer, f"{codec}-librdkafka")
        produce(peer, f"{codec}-librdkafka", groups(long_value=True), **{"compression.type": codec})
        names += [codec, f"{codec}-librdkafka"]
    for codec in ("none", "lz4"):
        name = f"append-time-{codec}"
        kind = {
            "message.timestamp.type": "LogAppendTime",
            "compression.type": codec.replace("none", "uncompressed"),
        }
        create(peer, name, **kind)
        produce(peer, name, groups(long_value=False))
        names.append(name)
    create(peer, "transactions")
    transactions(peer, "transactions")
    compacted(peer, "compacted")
    return [*names, "transactions", "compacted"]


def save(peer: Peer, topic: str, records: dict[str, list[dict[str, Any]]]) -> None:
    """Copies the stopped partition's files and writes the JSON."""
    source, target = peer.partition(topic), OUT / f"{topic}-0"
    target.mkdir(parents=True)
    for path in sorted(source.iterdir()):
        if path.name.endswith(KEPT):
            shutil.copyfile(path, target / path.name)
    batches = {path.name: peer.dump(path) for path in sorted(target.glob("*.log"))}
    lists = {**records, **{f"batches of {name}": found for name, found in batches.items()}}
    parts = [f'"topic": {json.dumps(topic)}']
    for name, rows in lists.items():
        lines = ",\n".join("  " + json.dumps(row) for row in rows)
        parts.append(f"{json.dumps(name)}: [\n{lines}\n ]")
    (OUT / f"{topic}.json").write_text("{\n " + ",\n ".join(parts) + "\n}\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--peer",
        default=str(HERE.parents[2] / "shared/peers/kafka/kafka"),
        help="the script that runs a Kafka",
    )
    parser.add_argument(
        "--old-only", action="store_true", help="only the hand-made files of magic 0 and 1"
    )
    options = parser.parse_args()
    write_old()
    if options.old_only:
        return
    with tempfile.TemporaryDirectory(prefix="logflume-golden-") as scratch:
        peer = Peer(options.peer, Path(scratch) / "peer")
        try:
            peer.up()
            names = fill(peer)
            records = {
                name: {"records": read_back(peer, name, "read_uncommitted")} for name in names
            }
            records["transactions"]["committed"] = read_back(peer, "transactions", "read_committed")
            peer.run("down")
            shutil.rmtree(OUT, ignore_errors=True)
            for name in names:
                save(peer, name, records[name])
        finally:
            peer.run("down", "--wipe")
    sys.stdout.write(f"{len(names)} topics in {OUT}\n")


if __name__ == "__main__":
    main()
