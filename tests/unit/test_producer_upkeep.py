"""What a producer keeps and does beside sending: buffers of many partitions, the ticker's pauses."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import logflume
from logflume._native.partition_log import arm_failpoints

PARTITIONS = 200
GREW_BYTES_MAX = 24 << 20  # a buffer and a zstd context for each partition would be 100 MB

MANY_PARTITIONS = """
import sys
import logflume

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

partitions = int(sys.argv[2])
value = b"".join(b"%d, " % i for i in range(900))
with logflume.open(sys.argv[1]) as log:
    log.create_topic("t", partitions=partitions)
    with log.producer(acks=1, compression_type="zstd") as producer:
        for partition in range(partitions):
            producer.send("t", b"", partition=partition)
        producer.flush()
        before = resident()
        for _ in range(partitions * 20):     # more than a batch each
            producer.send("t", value)
        producer.flush()
        grew = resident() - before
    assert all(log.partition("t", n).end_offset > 1 for n in range(partitions))
print(grew)
"""


def test_partitions_in_turn_share_a_buffer(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", MANY_PARTITIONS, tmp_path, str(PARTITIONS)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert int(told.stdout) < GREW_BYTES_MAX


def test_the_ticker_does_not_hurry_while_another_thread_appends(tmp_path: Path) -> None:
    pauses: list[float] = []
    with logflume.open(tmp_path) as log:
        log.create_topic("t", partitions=1)
        with log.producer(acks=1, linger_ms=60_000) as producer:
            producer.send("t", b"known").result(60)
            producer.send("t", b"x" * 30_000)  # so much is written without the GIL
            appending = threading.Thread(target=producer.publish)
            arm_failpoints("append.before_write:1:sleep=0.5")
            try:
                appending.start()
                while appending.is_alive():
                    pause = producer._core.tick()
                    if pause is not None:
                        pauses.append(pause)
            finally:
                arm_failpoints("")
                appending.join()
            producer.flush()
        assert log.partition("t", 0).end_offset == 2
    assert all(pause > 1 for pause in pauses)
