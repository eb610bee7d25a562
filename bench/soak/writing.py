"""Writers: numbered records of one incarnation to one partition, each acknowledgement noted in a file.

Run as `python -m bench.soak.writing KIND BOOTSTRAP-OR-DIRECTORY TOPIC PARTITION NAME RATE ACKS-FILE`. A line of the
file is `number offset`, or `E message`. It is written behind the acknowledgement, so what it says was acknowledged.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

__all__ = ["KINDS"]

PAD = b"." * 80
TURN_S = 0.01
OPEN_MAX = 20_000  # sent and not acknowledged

_CONFIGS: dict[str, dict[str, object]] = {
    "idempotent": {"enable.idempotence": True, "linger.ms": 5},
    "lz4": {"enable.idempotence": True, "compression.type": "lz4", "linger.ms": 20},
    "zstd": {"enable.idempotence": True, "compression.type": "zstd", "linger.ms": 20},
    # Without sequences a request that is sent again may be stored twice; in order it stays with one in flight.
    "plain": {"acks": "all", "max.in.flight": 1},
    "leader": {"acks": 1, "max.in.flight": 1},
}
KINDS = (*_CONFIGS, "embedded")


def value_of(name: str, number: int) -> bytes:
    """What record `number` of an incarnation holds."""
    return b"%s:%d:%s" % (name.encode(), number, PAD)


class Notes:
    """The file of acknowledgements; one write a turn, so that a kill leaves whole lines or a torn last one."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        self._lines.append(line)

    def write(self) -> None:
        if self._lines:
            os.write(self._fd, ("\n".join(self._lines) + "\n").encode())
            self._lines.clear()


def _paced(rate: float, send: Callable[[int], None], turn: Callable[[], bool]) -> None:
    """`send(number)` at a rate, for ever; `turn()` between, False when nothing may be sent now."""
    number = 0
    started = time.monotonic()
    while True:
        due = int((time.monotonic() - started) * rate)
        if turn():
            for _ in range(min(due - number, 1000)):
                send(number)
                number += 1
        else:
            started, due = time.monotonic() - number / rate, number
        time.sleep(TURN_S)


def through_the_broker(
    kind: str, bootstrap: str, topic: str, partition: int, name: str, rate: float, notes: Notes
) -> None:
    """librdkafka, which sends again until it is told."""
    from confluent_kafka import Producer

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "log_level": 0,
            "message.timeout.ms": 0,
            "reconnect.backoff.max.ms": 500,
            **_CONFIGS[kind],
        }
    )

    def told(error: object, message: object) -> None:
        if error is not None:
            notes.add(f"E {error}")
        else:
            number = message.value().split(b":", 2)[1]  # type: ignore[attr-defined]
            notes.add(f"{int(number)} {message.offset()}")  # type: ignore[attr-defined]

    def send(number: int) -> None:
        producer.produce(topic, value_of(name, number), partition=partition, on_delivery=told)

    def turn() -> bool:
        producer.poll(0)
        notes.write()
        return len(producer) < OPEN_MAX

    _paced(rate, send, turn)


def embedded(
    _: str, directory: str, topic: str, partition: int, name: str, rate: float, notes: Notes
) -> None:
    """A program that has the directory open beside the broker."""
    import logflume
    from logflume.errors import LockTimeout

    with logflume.open(directory) as log, log.producer(acks="all", linger_ms=5) as producer:
        waiting: list[tuple[int, logflume.Delivery]] = []

        def send(number: int) -> None:
            delivery = producer.send(topic, value_of(name, number), partition=partition)
            waiting.append((number, delivery))

        def turn() -> bool:
            try:
                for number, delivery in waiting:
                    notes.add(f"{number} {delivery.result(60).offset}")
            except LockTimeout as error:
                notes.add(f"E {error}")
            waiting.clear()
            notes.write()
            return True

        _paced(rate, send, turn)


def main(words: list[str]) -> None:
    kind, where, topic, partition, name, rate, path = words
    work = embedded if kind == "embedded" else through_the_broker
    work(kind, where, topic, int(partition), name, float(rate), Notes(path))


if __name__ == "__main__":
    main(sys.argv[1:])
