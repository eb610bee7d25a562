"""Records whose length needs one byte more than their bytes alone would: the writer leaves room before it knows."""

from __future__ import annotations

from pathlib import Path

import pytest

import logflume

# The length is a zigzag varint: 64, 8,192 and 1,048,576 need a byte more than what is below.
AROUND = [*range(70), *range(8170, 8200)]
LARGE = range((1 << 20) - 30, (1 << 20) + 6)
HEADERS = [
    None,
    [("h", b"v")],
    [("name", b"x" * 70), ("é", None), (b"\xff".decode("utf-8", "surrogateescape"), b"")],
]


@pytest.mark.parametrize("key", [None, b"", b"k" * 9])
@pytest.mark.parametrize("headers", HEADERS)
def test_send_and_read_around_the_bounds(
    tmp_path: Path, key: bytes | None, headers: list[tuple[str, bytes | None]] | None
) -> None:
    with logflume.open(tmp_path) as log:
        log.create_topic("t", config={"max.message.bytes": 4 << 20})
        with log.producer(acks=1, max_request_size=4 << 20, batch_size=1 << 20) as producer:
            for size in AROUND:
                producer.send("t", b"v" * size, key=key, headers=headers)
        records = list(records_of(log, len(AROUND)))
        assert [len(record.value) for record in records] == AROUND
        assert all(record.key == key for record in records)
        assert all(list(record.headers) == (headers or []) for record in records)


@pytest.mark.parametrize("keyed", [False, True])
def test_lists_and_large_records_around_the_bounds(tmp_path: Path, keyed: bool) -> None:
    sizes = [*AROUND, *LARGE]
    values = [b"v" * size for size in sizes]
    keys = [b"k" * (n % 20) for n in range(len(sizes))] if keyed else None
    with logflume.open(tmp_path) as log:
        log.create_topic("t", config={"max.message.bytes": 4 << 20})
        log.partition("t", 0).append_many(values, keys=keys, batch_bytes=2 << 20)
        records = list(records_of(log, len(sizes)))
        assert [record.value for record in records] == values
        assert [record.key for record in records] == (keys or [None] * len(sizes))


def records_of(log: logflume.Log, count: int) -> list[logflume.Record]:
    with log.consumer("t", auto_offset_reset="earliest") as consumer:
        found: list[logflume.Record] = []
        while len(found) < count:
            more = consumer.poll(timeout=60, max_records=1000)
            assert more
            found += more
        return found
