"""Members of a group, which note what they got, and whether it came in order and without gaps.

Run as `python -m bench.soak.reading PROTOCOL BOOTSTRAP TOPIC GROUP NOTES-FILE`. A line of the file is
`partition offset crc32` for some of the records, or `E what was wrong`.
"""

from __future__ import annotations

import os
import sys
import time
import zlib
from typing import Any

__all__ = ["SAMPLE"]

SAMPLE = 16  # every so many offsets are noted
COMMIT_S = 1.0


def main(words: list[str]) -> None:
    from confluent_kafka import Consumer, KafkaException

    protocol, bootstrap, topic, group, path = words
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    expected: dict[int, int] = {}

    def assigned(_: Consumer, partitions: list[Any]) -> None:
        for one in partitions:
            expected.pop(one.partition, None)

    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "group.protocol": protocol,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 0,
            "reconnect.backoff.max.ms": 500,
            **({"session.timeout.ms": 6000} if protocol == "classic" else {}),
        }
    )
    consumer.subscribe([topic], on_assign=assigned, on_revoke=assigned)
    committed = time.monotonic()
    while True:
        lines = []
        for message in consumer.consume(10_000, timeout=0.2):
            if message.error():
                continue  # connections that ended; what matters is what comes after
            partition, offset = message.partition(), message.offset()
            if expected.get(partition, offset) != offset:
                lines.append(
                    f"E {topic}-{partition}: {offset} came where {expected[partition]} was next"
                )
            expected[partition] = offset + 1
            if offset % SAMPLE == 0:
                lines.append(f"{partition} {offset} {zlib.crc32(message.value())}")
        if lines:
            os.write(fd, ("\n".join(lines) + "\n").encode())
        if time.monotonic() - committed > COMMIT_S:
            committed = time.monotonic()
            try:
                consumer.commit(asynchronous=True)
            except KafkaException:
                pass  # nothing to commit, or the group moves: read again by whoever has it then


if __name__ == "__main__":
    main(sys.argv[1:])
