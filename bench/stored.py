"""Records that are there already: logs, their segments as bytes, peers, and the ways of reading them."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import logflume
from bench.entrants import TOPIC, log_with_topic
from bench.harness import Contestant, Job, fixed
from bench.payload import values
from bench.peers import Store

__all__ = [
    "Read",
    "by_batches",
    "by_poll",
    "by_records",
    "by_values",
    "consuming",
    "mapped_segment",
    "on_segment",
    "peer_reading",
    "peers_reading",
    "reading",
    "segment_bytes",
    "stored",
]

Read = Callable[[logflume.Partition], object]


@contextmanager
def stored(where: Path, size: int, count: int) -> Iterator[logflume.Log]:
    """A log of `count` values of `size` bytes in one partition."""
    with log_with_topic(where) as log:
        log.partition(TOPIC, 0).append_many(values(size, count))
        yield log


def reading(where: Path, name: str, count: int, job: Read, *, again: bool = False) -> Contestant:
    """`job` on the partition of a log that is opened anew, so that nothing in it has been checked or looked at yet;
    `again`: the job was done once before."""

    @contextmanager
    def open_(_: Path) -> Iterator[Job]:
        with logflume.open(where / "log") as log:
            partition = log.partition(TOPIC, 0)
            if again:
                job(partition)
            yield lambda: job(partition)

    return Contestant(name, "logflume", count, open_)


def consuming(where: Path, name: str, count: int, job: Callable[..., None]) -> Contestant:
    """`job(consumer, count)` by a consumer at the start of the partition, in a log that is opened anew."""

    @contextmanager
    def open_(_: Path) -> Iterator[Job]:
        with (
            logflume.open(where / "log") as log,
            log.consumer(auto_offset_reset="earliest") as consumer,
        ):
            consumer.assign([(TOPIC, 0)])
            yield lambda: job(consumer, count)

    return Contestant(name, "logflume", count, open_)


def by_records(consumer: logflume.Consumer, left: int) -> None:
    for record in consumer:
        record.value  # noqa: B018 - the bytes are made by the property
        left -= 1
        if not left:
            break


def by_poll(consumer: logflume.Consumer, left: int) -> None:
    while left > 0:
        for record in consumer.poll(1.0):
            record.value  # noqa: B018
            left -= 1


def by_batches(consumer: logflume.Consumer, left: int) -> None:
    while left > 0:
        batch = consumer.poll_batch(1.0)
        left -= len(batch) if batch is not None else 0


def by_values(consumer: logflume.Consumer, left: int) -> None:
    while left > 0:
        batch = consumer.poll_batch(1.0, max_records=10_000)
        if batch is not None:
            for _ in batch.values.iter_bytes():
                left -= 1


@contextmanager
def segment_bytes(path: str | Path, size: int | None = None) -> Iterator[memoryview]:
    """A mapped segment."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        whole = memoryview(mapped)
        view = whole[:size]
        yield view
        view.release()
        whole.release()


@contextmanager
def mapped_segment(log: logflume.Log) -> Iterator[memoryview]:
    """The first segment up to where its records end."""
    segment = log.partition(TOPIC, 0).segments()[0]
    with segment_bytes(segment.path, segment.size) as view:
        yield view


def on_segment(
    log: logflume.Log, name: str, count: int, job: Callable[[memoryview], object]
) -> Contestant:
    """A limit that works on the segment's bytes, mapped anew as a log that is opened anew does."""

    @contextmanager
    def open_(_: Path) -> Iterator[Job]:
        with mapped_segment(log) as segment:
            yield lambda: job(segment)

    return Contestant(name, "limit", count, open_)


def peer_reading(kind: type[Store], where: Path, records: list[bytes]) -> tuple[Contestant, Store]:
    """A peer that holds the records, and is read from the first to the last; the caller closes it."""
    place = where / kind.__name__
    place.mkdir()
    store = kind(place)
    store.put_many(records)

    def job() -> None:
        for _ in store.read_all():
            pass

    return fixed(kind.name, "peer", len(records), job), store


@contextmanager
def peers_reading(
    kinds: Sequence[type[Store]], where: Path, records: list[bytes]
) -> Iterator[tuple[list[Contestant], list[Store]]]:
    """All of them, closed at the end."""
    with ExitStack() as stack:
        pairs = []
        for kind in kinds:
            pairs.append(peer_reading(kind, where, records))
            stack.callback(pairs[-1][1].close)
        yield [contestant for contestant, _ in pairs], [store for _, store in pairs]
