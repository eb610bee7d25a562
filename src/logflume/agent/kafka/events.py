"""Kafka's records as events with Flume's headers, and events as columns of records."""

from __future__ import annotations

from logflume.agent.events import EventBatch
from logflume.agent.rpc.avro_events import decode_datum, encode_datums
from logflume.errors import InvalidRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from logflume._native.columns import RecordBatch
    from logflume.agent.events import Bodies, Column

__all__ = ["Destinations", "events_of", "filled", "keys_of", "values_of"]


def events_of(
    records: RecordBatch,
    *,
    topic_header: str | None,
    in_avro: bool,
    mapped: Mapping[str, str],
) -> EventBatch:
    """One event a record, headers as Flume's Kafka source sets them.

    What an event in Avro brings along has precedence, but for the key. Raises InvalidRecord, with the place, for a
    record that should be one and is not.
    """
    batch = _of_avro(records) if in_avro else EventBatch(records.values)
    batch = batch.with_header("timestamp", [str(t) for t in records.timestamps.tolist()], keep=True)
    if mapped:
        batch = _mapped(batch, records, mapped)
    if topic_header is not None:
        batch = batch.with_header(topic_header, _one_or_all(records.row_topics), keep=True)
    numbers = [str(n) for n in records.partitions.tolist()]
    batch = batch.with_header("partition", _one_or_all(numbers), keep=True)
    batch = batch.with_header("offset", [str(n) for n in records.offsets.tolist()], keep=True)
    keys = records.keys.tolist()
    if any(key is not None for key in keys):
        column = [None if key is None else key.decode("utf-8", "replace") for key in keys]
        batch = batch.with_header("key", column)
    return batch


def _of_avro(records: RecordBatch) -> EventBatch:
    rows = []
    for row, value in enumerate(records.values.tolist()):
        try:
            rows.append(decode_datum(value or b""))
        except InvalidRecord as error:
            where = f"{records.row_topics[row]}-{records.partitions[row]}@{records.offsets[row]}"
            raise InvalidRecord(reason=f"{where} {error.reason}") from None
    return EventBatch.of_rows(rows)


def _mapped(batch: EventBatch, records: RecordBatch, mapped: Mapping[str, str]) -> EventBatch:
    rows = [dict(record.headers) for record in records]
    for name, theirs in mapped.items():
        found = [row.get(theirs) for row in rows]
        values = [None if value is None else value.decode("utf-8", "replace") for value in found]
        if any(value is not None for value in values):
            batch = batch.with_header(name, values)
    return batch


def _one_or_all(values: list[str]) -> str | list[str]:
    first = values[0]
    return first if all(value == first for value in values) else values


def values_of(batch: EventBatch, *, in_avro: bool) -> Bodies:
    """The records' values."""
    return encode_datums(batch) if in_avro else batch.bodies


def keys_of(batch: EventBatch, header: str | None) -> list[bytes | None] | None:
    """The records' keys out of a header; None when no event has it."""
    if header is None or (header not in batch.common and header not in batch.columns):
        return None
    return [None if value is None else value.encode() for value in batch.header(header)]


class Destinations:
    """Which topic and partition each event goes to.

    Parameters: the topic, with `%{header}` where told so; the header that names another topic, or None; the header
    that has the partition, or None; the partition of those without.
    """

    def __init__(
        self,
        topic: str,
        topic_header: str | None,
        partition_header: str | None,
        partition: int | None,
    ) -> None:
        self._topic = topic
        self._topic_header = topic_header
        self._partition_header = partition_header
        self._partition = partition

    def split(self, batch: EventBatch) -> list[tuple[str, int | None, EventBatch]]:
        """Topic, partition (None: the partitioner decides) and their events, in order. Raises InvalidRecord."""
        topics = self._topics(batch)
        numbers = self._numbers(batch)
        if isinstance(topics, str) and not isinstance(numbers, list):
            return [(topics, numbers, batch)]
        rows: dict[tuple[str, int | None], list[int]] = {}
        for row in range(len(batch)):
            topic = topics if isinstance(topics, str) else topics[row]
            number = numbers[row] if isinstance(numbers, list) else numbers
            rows.setdefault((topic, number), []).append(row)
        return [(*place, batch.select(mine)) for place, mine in rows.items()]

    def _topics(self, batch: EventBatch) -> str | list[str]:
        if self._topic_header is not None and self._topic_header in batch.common:
            return batch.common[self._topic_header]
        given = None if self._topic_header is None else batch.columns.get(self._topic_header)
        if "%{" in self._topic:
            usual: list[str] = [filled(self._topic, row) for row in batch.rows()]
        elif given is None:
            return self._topic
        else:
            usual = [self._topic] * len(batch)
        if given is None:
            return usual
        return [theirs or ours for theirs, ours in zip(given, usual, strict=True)]

    def _numbers(self, batch: EventBatch) -> int | list[int | None] | None:
        name = self._partition_header
        if name is None:
            return self._partition
        if name in batch.common:
            return _number(name, batch.common[name])
        column: Column | None = batch.columns.get(name)
        if column is None:
            return self._partition
        return [self._partition if value is None else _number(name, value) for value in column]


def _number(name: str, value: str) -> int:
    if not value.strip().isdecimal():
        raise InvalidRecord(reason=f"the header {name} is {value!r}, which is no partition")
    return int(value)


def filled(text: str, headers: Mapping[str, str]) -> str:
    """`%{header}` replaced; a header that is missing is empty, as in Flume."""
    out, rest = "", text
    while (at := rest.find("%{")) >= 0 and (end := rest.find("}", at)) >= 0:
        out += rest[:at] + headers.get(rest[at + 2 : end], "")
        rest = rest[end + 1 :]
    return out + rest
