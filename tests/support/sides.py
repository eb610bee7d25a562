"""logflume and a real Kafka behind the same few calls, so that one history can go through both."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import logflume
from support.partitions import Row, row_of

__all__ = ["KafkaSide", "LogflumeSide", "Place", "Sent", "Side", "View"]

Place = tuple[str, int]


class Sent(NamedTuple):
    """A record on its way."""

    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class View(NamedTuple):
    """What readers see of a partition."""

    start: int
    end: int
    stable: int
    uncommitted: list[Row]
    committed: list[Row]


class Side:
    """What both can do. A transaction is begun, gets records and offsets, and ends, under its transactional id."""

    def create(self, topic: str, partitions: int, config: Mapping[str, str]) -> None:
        raise NotImplementedError

    def produce(self, place: Place, rows: Iterable[Sent], codec: str) -> None:
        """One batch, acknowledged."""
        raise NotImplementedError

    def begin(self, name: str) -> None:
        raise NotImplementedError

    def add(self, name: str, place: Place, rows: Iterable[Sent]) -> None:
        raise NotImplementedError

    def add_offsets(self, name: str, group: str, offsets: Mapping[Place, int]) -> None:
        raise NotImplementedError

    def end(self, name: str, *, commit: bool) -> None:
        raise NotImplementedError

    def delete_records(self, place: Place, before: int) -> None:
        raise NotImplementedError

    def commit(self, group: str, offsets: Mapping[Place, int]) -> None:
        raise NotImplementedError

    def committed(self, group: str, places: Iterable[Place]) -> dict[Place, int | None]:
        raise NotImplementedError

    def offset_for_time(self, place: Place, timestamp: int) -> int | None:
        raise NotImplementedError

    def view(self, place: Place) -> View:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class LogflumeSide(Side):
    def __init__(self, directory: Path, *, read_only: bool = False) -> None:
        self.log = logflume.open(directory, read_only=read_only)
        self._producers: dict[str, Any] = {}
        self._open: dict[str, Any] = {}

    def create(self, topic: str, partitions: int, config: Mapping[str, str]) -> None:
        self.log.create_topic(topic, partitions=partitions, config=config)

    def _producer(self, name: str, **config: Any) -> Any:
        if name not in self._producers:
            self._producers[name] = self.log.producer(linger_ms=60_000, **config)
        return self._producers[name]

    def produce(self, place: Place, rows: Iterable[Sent], codec: str) -> None:
        producer = self._producer(codec, compression_type=codec)
        self._send(producer, place, rows)
        producer.flush()

    def _send(self, producer: Any, place: Place, rows: Iterable[Sent]) -> None:
        for row in rows:
            producer.send(
                place[0],
                row.value,
                key=row.key,
                headers=list(row.headers),
                partition=place[1],
                timestamp=row.timestamp,
            )

    def begin(self, name: str) -> None:
        producer = self._producer(f"txn {name}", transactional_id=name)
        self._open[name] = producer.transaction()

    def add(self, name: str, place: Place, rows: Iterable[Sent]) -> None:
        producer = self._producers[f"txn {name}"]
        self._send(producer, place, rows)
        producer.flush()

    def add_offsets(self, name: str, group: str, offsets: Mapping[Place, int]) -> None:
        with self.log.consumer(group=group, enable_auto_commit=False) as consumer:
            self._open[name].send_offsets(consumer, offsets)

    def end(self, name: str, *, commit: bool) -> None:
        transaction = self._open.pop(name)
        (transaction.commit if commit else transaction.abort)()

    def delete_records(self, place: Place, before: int) -> None:
        self.log.delete_records({place: before})

    def commit(self, group: str, offsets: Mapping[Place, int]) -> None:
        with self.log.consumer(group=group, enable_auto_commit=False) as consumer:
            consumer.commit(dict(offsets))

    def committed(self, group: str, places: Iterable[Place]) -> dict[Place, int | None]:
        with self.log.consumer(group=group, enable_auto_commit=False) as consumer:
            return {place: consumer.committed(*place) for place in places}

    def offset_for_time(self, place: Place, timestamp: int) -> int | None:
        found = self.log.partition(*place).offset_for_time(timestamp)
        return None if found is None else int(found)

    def view(self, place: Place) -> View:
        partition = self.log.partition(*place)
        stable = partition.last_stable_offset
        uncommitted, committed = (
            self._read(place, isolation) for isolation in ("read_uncommitted", "read_committed")
        )
        start, end = partition.start_offset, partition.end_offset
        return View(start, end, stable, uncommitted, committed)

    def _read(self, place: Place, isolation: str) -> list[Row]:
        rows: list[Row] = []
        with self.log.consumer(
            isolation_level=isolation, auto_offset_reset="earliest", enable_auto_commit=False
        ) as consumer:
            consumer.assign([place])
            while records := consumer.poll():
                rows += map(row_of, records)
        return rows

    def close(self) -> None:
        self.log.close()


class KafkaSide(Side):
    def __init__(self, address: str) -> None:
        from confluent_kafka.admin import AdminClient

        self.common: dict[str, Any] = {"bootstrap.servers": address, "log_level": 2}
        self._admin = AdminClient(self.common)
        self._producers: dict[str, Any] = {}
        self._consumers: dict[str, Any] = {}
        self._touched: dict[str, set[Place]] = {}

    def create(self, topic: str, partitions: int, config: Mapping[str, str]) -> None:
        from confluent_kafka.admin import NewTopic

        made = NewTopic(topic, partitions, 1, config=dict(config))
        self._admin.create_topics([made])[topic].result(60)

    def _producer(self, name: str, **config: Any) -> Any:
        from confluent_kafka import Producer

        if name not in self._producers:
            options = {**self.common, "linger.ms": 10_000, "enable.idempotence": True, **config}
            self._producers[name] = Producer(options)
        return self._producers[name]

    def produce(self, place: Place, rows: Iterable[Sent], codec: str) -> None:
        producer = self._producer(codec, **{"compression.type": codec})
        self._send(producer, place, rows)

    def _send(self, producer: Any, place: Place, rows: Iterable[Sent]) -> None:
        failures: list[Any] = []

        def delivered(error: Any, _message: Any) -> None:
            if error is not None:
                failures.append(error)

        for row in rows:
            producer.produce(
                place[0],
                value=row.value,
                key=row.key,
                headers=list(row.headers),
                partition=place[1],
                timestamp=row.timestamp,
                on_delivery=delivered,
            )
        assert producer.flush(60) == 0
        assert not failures, failures

    def begin(self, name: str) -> None:
        new = f"txn {name}" not in self._producers
        producer = self._producer(f"txn {name}", **{"transactional.id": name})
        if new:
            producer.init_transactions(30)
        producer.begin_transaction()

    def add(self, name: str, place: Place, rows: Iterable[Sent]) -> None:
        self._send(self._producers[f"txn {name}"], place, rows)
        self._touched.setdefault(name, set()).add(place)

    def add_offsets(self, name: str, group: str, offsets: Mapping[Place, int]) -> None:
        consumer = self._consumer(group, "read_uncommitted")
        self._producers[f"txn {name}"].send_offsets_to_transaction(
            self._with_offsets(offsets), consumer.consumer_group_metadata(), 30
        )

    def end(self, name: str, *, commit: bool) -> None:
        producer = self._producers[f"txn {name}"]
        ends = {place: self._ends(place, "read_uncommitted")[1] for place in self._touched[name]}
        (producer.commit_transaction if commit else producer.abort_transaction)(30)
        # Kafka answers when the end is decided; the markers come a moment later.
        deadline = time.monotonic() + 60
        for place in self._touched.pop(name):
            while self._ends(place, "read_uncommitted")[1] == ends[place]:
                assert time.monotonic() < deadline, f"no marker in {place}"
                time.sleep(0.005)

    def delete_records(self, place: Place, before: int) -> None:
        for future in self._admin.delete_records(self._with_offsets({place: before})).values():
            future.result(60)

    def commit(self, group: str, offsets: Mapping[Place, int]) -> None:
        consumer = self._consumer(group, "read_uncommitted")
        consumer.commit(offsets=self._with_offsets(offsets), asynchronous=False)

    def committed(self, group: str, places: Iterable[Place]) -> dict[Place, int | None]:
        from confluent_kafka import TopicPartition

        consumer = self._consumer(group, "read_uncommitted")
        found = consumer.committed([TopicPartition(*place) for place in places], timeout=30)
        return {(at.topic, at.partition): at.offset if at.offset >= 0 else None for at in found}

    def _with_offsets(self, offsets: Mapping[Place, int]) -> list[Any]:
        from confluent_kafka import TopicPartition

        return [TopicPartition(*place, offset) for place, offset in offsets.items()]

    def _consumer(self, group: str, isolation: str) -> Any:
        from confluent_kafka import Consumer

        name = f"{group} {isolation}"
        if name not in self._consumers:
            self._consumers[name] = Consumer(
                {
                    **self.common,
                    "group.id": group,
                    "isolation.level": isolation,
                    "auto.offset.reset": "earliest",
                    "enable.auto.commit": False,
                    "enable.partition.eof": True,
                    "fetch.wait.max.ms": 10,
                }
            )
        return self._consumers[name]

    def offset_for_time(self, place: Place, timestamp: int) -> int | None:
        from confluent_kafka import TopicPartition

        consumer = self._consumer("reader", "read_uncommitted")
        (found,) = consumer.offsets_for_times([TopicPartition(*place, timestamp)], timeout=30)
        return int(found.offset) if found.offset >= 0 else None

    def view(self, place: Place) -> View:
        start, end = self._ends(place, "read_uncommitted")
        _, stable = self._ends(place, "read_committed")
        uncommitted, committed = (
            self._read(place, isolation) for isolation in ("read_uncommitted", "read_committed")
        )
        return View(start, end, stable, uncommitted, committed)

    def _ends(self, place: Place, isolation: str) -> tuple[int, int]:
        from confluent_kafka import TopicPartition

        consumer = self._consumer("reader", isolation)
        start, end = consumer.get_watermark_offsets(TopicPartition(*place), timeout=30)
        return start, end

    def _read(self, place: Place, isolation: str) -> list[Row]:
        from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition

        consumer = self._consumer("reader", isolation)
        consumer.assign([TopicPartition(*place, OFFSET_BEGINNING)])
        rows: list[Row] = []
        while True:
            message = consumer.poll(30)
            assert message is not None, f"nothing from {place} within 30 s"
            if message.error() is None:
                headers = tuple((name, value) for name, value in message.headers() or [])
                timestamp = message.timestamp()[1]
                rows.append(
                    Row(message.offset(), timestamp, message.key(), message.value(), headers)
                )
            elif message.error().code() == KafkaError._PARTITION_EOF:
                consumer.unassign()
                return rows
            else:
                raise AssertionError(message.error())

    def close(self) -> None:
        for consumer in self._consumers.values():
            consumer.close()
        self._producers.clear()  # an instance ends its connections when it is dropped
