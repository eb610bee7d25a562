"""logflume as the actors see it. Each actor opens the directory for itself, as a process would."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import logflume
from checker.ports import AbortedForGood, Got, split
from logflume.errors import (
    InvalidProducerEpoch,
    ProducerFenced,
    TransactionAborted,
    TransactionTimedOut,
)

__all__ = ["EngineLog", "found"]

SMALL = 100  # records of ours that are fewer bytes than a poll takes from one partition


def found(directory: Path, places: Iterable[str], **config: object) -> None:
    """Makes the topics of the places."""
    with logflume.open(directory) as log:
        counts: dict[str, int] = {}
        for place in places:
            topic, number = split(place)
            counts[topic] = max(counts.get(topic, 0), number + 1)
        for topic, partitions in counts.items():
            log.create_topic(topic, partitions=partitions, config=config)


class EngineLog:
    """One actor's logflume."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.log = logflume.open(directory)
        self.rng = random.Random(seed)

    def writer(self, name: str, *, transactional: bool) -> EngineWriter:
        rng = self.rng
        options: dict[str, Any] = {
            "acks": rng.choice([1, "all"]),
            "linger_ms": rng.choice([0, 0, 1, 1000]),
            "compression_type": rng.choice(["none", "none", "lz4"]),
        }
        if transactional:
            options = {**options, "acks": "all", "transactional_id": name}
        return EngineWriter(self.log.producer(**options), padding=rng.choice([0, 0, 300]))

    def reader(self, places: list[str], *, committed: bool, group: str | None) -> EngineReader:
        return EngineReader(self.log, places, committed=committed, group=group)

    def limits(self, places: list[str]) -> dict[str, tuple[int, int]]:
        out = {}
        for place in places:
            partition = self.log.partition(*split(place))
            stable = partition.last_stable_offset
            out[place] = stable, partition.end_offset
        return out

    def stands(self, group: str, places: list[str]) -> dict[str, int]:
        with self.log.consumer(group=group, enable_auto_commit=False) as consumer:
            stored = {place: consumer.committed(*split(place)) for place in places}
        return {place: 0 if at is None else at for place, at in stored.items()}

    def settle(self) -> None:
        self.log.maintenance()

    def close(self) -> None:
        self.log.close()


@contextmanager
def aborting() -> Iterator[None]:
    """These errors promise that nothing of the transaction will ever be committed."""
    try:
        yield
    except (ProducerFenced, TransactionAborted, TransactionTimedOut, InvalidProducerEpoch) as error:
        raise AbortedForGood(repr(error)) from error


class EngineWriter:
    def __init__(self, producer: Any, padding: int) -> None:
        self.producer, self.padding = producer, padding
        self.txn: Any = None

    def send(self, place: str, ident: str) -> Any:
        topic, number = split(place)
        value = ident.encode() + b" " * self.padding
        with aborting():
            return self.producer.send(topic, value, partition=number)

    def result(self, delivery: Any) -> int:
        with aborting():
            return int(delivery.result(60).offset)

    def begin(self) -> None:
        with aborting():
            self.txn = self.producer.transaction()

    def commit(self) -> None:
        with aborting():
            self.txn.commit()

    def abort(self) -> None:
        with aborting():
            self.txn.abort()

    def offsets(self, reader: EngineReader) -> dict[str, int]:
        with aborting():
            self.txn.send_offsets(reader.consumer)
        return reader.positions()

    def close(self) -> None:
        self.producer.close()


class EngineReader:
    def __init__(self, log: Any, places: list[str], *, committed: bool, group: str | None) -> None:
        self.group = group
        self.consumer = log.consumer(
            group=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed" if committed else "read_uncommitted",
        )
        self.consumer.assign([split(place) for place in places])

    def rewind(self) -> None:
        """To what the group stored."""
        for where in self.consumer.assignment():
            self.consumer.seek(where, offset=self.consumer.committed(*where) or 0)

    def positions(self) -> dict[str, int]:
        return {str(where): at.offset for where, at in self.consumer.positions().items()}

    def start(self) -> dict[str, int]:
        return self.positions()

    def poll(self, most: int) -> Got:
        records = self.consumer.poll(max_records=most)
        rows = [
            (f"{r.topic}-{r.partition}", r.offset, bytes(r.value).decode().rstrip())
            for r in records
        ]
        # A large poll may also end because it has its share of bytes.
        whole = len(rows) < most if most <= SMALL else not rows
        return Got(rows, self.positions(), whole)

    def close(self) -> None:
        self.consumer.close()
