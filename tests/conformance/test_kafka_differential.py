"""The same history through logflume and a real Kafka: readers see the same."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from model import batch_twin
from support.kafka_peer import Broker, up
from support.kafka_wire import Wire
from support.sides import KafkaSide, LogflumeSide, Place, Sent, Side

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]

SEED = int(os.environ.get("LOGFLUME_SEED", time.time_ns() % 1_000_000))
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
HOUR_MS = 3_600_000
SETTINGS = (
    "transaction.state.log.num.partitions=1",
    "offsets.topic.num.partitions=1",
    "log.retention.check.interval.ms=300",
    "log.initial.task.delay.ms=500",
    "group.initial.rebalance.delay.ms=0",
)
# Kafka's code of each answer to a batch of an idempotent producer.
OK, OUT_OF_SEQUENCE, OLD_EPOCH = 0, 45, 47


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    broker = Broker(tmp_path_factory.mktemp("differential") / "peer")
    try:
        yield up(broker.where, *(f"--set={setting}" for setting in SETTINGS))
    finally:
        broker.down()


@pytest.fixture
def sides(address: str, tmp_path: Path) -> Iterator[list[Side]]:
    made: list[Side] = [KafkaSide(address), LogflumeSide(tmp_path / "ours")]
    yield made
    for side in made:
        side.close()


def some(rng: random.Random, at: int) -> list[Sent]:
    """A few records from `at` (ms) on, with everything that may be absent."""
    rows = []
    for _ in range(rng.randrange(1, 8)):
        at += rng.randrange(0, 50)
        key = rng.choice([None, b"", b"k%d" % rng.randrange(5)])
        value = rng.choice([None, b"", rng.randbytes(rng.randrange(200)), b"v" * 300])
        headers = rng.choice([(), (("a", b"1"), ("a", None)), (("", b""),)])
        rows.append(Sent(at, key, value, headers))
    return rows


def compare(
    sides: list[Side], places: list[Place], times: list[int], *, undecided: bool = False
) -> None:
    """The same in all; `undecided`: while transactions are open, of which we hide more than Kafka (decision 025)."""
    kafka, ours = sides
    for place in places:
        theirs, mine = kafka.view(place), ours.view(place)
        if undecided:
            assert mine.stable <= theirs.stable
            seen = [row for row in theirs.committed if row.offset < mine.stable]
            theirs = theirs._replace(stable=mine.stable, committed=seen)
        only = [
            sorted({row.offset for row in one.committed} - {row.offset for row in other.committed})
            for one, other in ((mine, theirs), (theirs, mine))
        ]
        assert mine == theirs, (place, "committed for us only, for Kafka only", only)
        records = {row.offset: row.timestamp for row in theirs.uncommitted}
        for timestamp in times:
            found, mine_found = (side.offset_for_time(place, timestamp) for side in sides)
            if found is not None and found not in records:
                # Kafka also finds a transaction's marker by its time; we find records.
                found = next((at for at, when in records.items() if when >= timestamp), None)
            assert mine_found == found, (place, timestamp)


def wait_for_start(side: Side, place: Place, start: int) -> None:
    """Kafka's retention has its own thread."""
    deadline = time.monotonic() + 60
    while side.view(place).start != start:
        assert time.monotonic() < deadline, side.view(place).start
        time.sleep(0.1)


def test_plain_records_of_all_codecs_deleted_records_offsets_and_times(sides: list[Side]) -> None:
    print(f"LOGFLUME_SEED={SEED}")
    rng = random.Random(SEED)
    topic = f"plain-{SEED}"
    places = [(topic, 0), (topic, 1)]
    begin = at = time.time_ns() // 1_000_000 - HOUR_MS
    for side in sides:
        side.create(topic, 2, {"retention.ms": "-1"})
    for step in range(30):
        place, rows, codec = rng.choice(places), some(rng, at), CODECS[step % len(CODECS)]
        at += rng.choice([10, 300])
        for side in sides:
            side.produce(place, rows, codec)
        if step % 10 == 9:
            before = rng.randrange(sides[1].view(place).end + 1)
            offsets = {place: rng.randrange(100)}
            for side in sides:
                side.delete_records(place, before)
                side.commit(f"g-{topic}", offsets)
    stored = [side.committed(f"g-{topic}", places) for side in sides]
    assert stored[0] == stored[1]
    assert any(at is not None for at in stored[0].values())
    compare(sides, places, [0, *(rng.randrange(begin, at + 100) for _ in range(8)), at + HOUR_MS])


def test_retention_by_time_leaves_the_same(sides: list[Side]) -> None:
    topic = f"retained-{SEED}"
    now = time.time_ns() // 1_000_000
    place = (topic, 0)
    # A record ten seconds younger than the segment's first begins a new one, on both sides.
    for side in sides:
        side.create(topic, 1, {"segment.ms": "10000", "retention.ms": str(10 * HOUR_MS)})
        for number, age in enumerate((9, 8, 7, 3, 2, 1)):
            side.produce(place, [Sent(now - age * HOUR_MS, b"k", b"%d" % number)] * 2, "none")
    kafka, ours = sides
    assert isinstance(kafka, KafkaSide)
    assert isinstance(ours, LogflumeSide)
    from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

    entry = ConfigEntry(
        "retention.ms", str(5 * HOUR_MS), incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    kafka._admin.incremental_alter_configs([resource])[resource].result(60)
    ours.log.alter_topic(topic, config={"retention.ms": 5 * HOUR_MS})
    ours.log.maintenance()
    assert ours.view(place).start == 6
    wait_for_start(kafka, place, 6)
    compare(sides, [place], [0, now - 4 * HOUR_MS, now - 2 * HOUR_MS])


def test_transactions_interleaved_with_others(sides: list[Side]) -> None:
    """Commits, aborts, open ones: the same offsets, the same last stable offset at each step, the same records."""
    print(f"LOGFLUME_SEED={SEED}")
    rng = random.Random(SEED)
    topic = f"txn-{SEED}"
    places = [(topic, number) for number in range(3)]
    at = time.time_ns() // 1_000_000 - HOUR_MS
    begun: set[str] = set()
    for side in sides:
        side.create(topic, 3, {"retention.ms": "-1"})

    def both(call: str, *args: object, **options: object) -> None:
        for side in sides:
            getattr(side, call)(*args, **options)

    for step in range(60):
        name = f"{topic}-{rng.randrange(3)}"
        dice = rng.random()
        at += 100
        if dice < 0.2:
            both("produce", rng.choice(places), some(rng, at), rng.choice(CODECS))
        elif name not in begun:
            both("begin", name)
            both("add", name, rng.choice(places), some(rng, at))
            begun.add(name)
        elif dice < 0.6:
            both("add", name, rng.choice(places), some(rng, at))
        elif dice < 0.63:
            place = rng.choice(places)
            both("delete_records", place, rng.randrange(sides[1].view(place).stable + 1))
        elif dice < 0.7:
            both("add_offsets", name, f"g-{name}", {places[0]: step})
        else:
            both("end", name, commit=dice < 0.88)
            begun.discard(name)
        if step % 20 == 19:
            compare(sides, places, [], undecided=True)
    compare(sides, places, [0, at - 1000, at], undecided=True)
    for name in sorted(begun):
        both("end", name, commit=rng.random() < 0.5)
    compare(sides, places, [0, at - 1000, at])
    groups = [f"g-{topic}-{number}" for number in range(3)]
    stored = [[side.committed(group, places[:1]) for group in groups] for side in sides]
    assert stored[0] == stored[1]


def test_an_idempotent_producers_batches_are_judged_alike(sides: list[Side], address: str) -> None:
    """Retries, gaps, older and newer epochs, wrapped numbers, byte for byte: the same offset or the same error."""
    print(f"LOGFLUME_SEED={SEED}")
    rng = random.Random(SEED)
    topic = f"idempotent-{SEED}"
    _, ours = sides
    assert isinstance(ours, LogflumeSide)
    for side in sides:
        side.create(topic, 1, {"retention.ms": "-1"})
    wire = Wire(address)
    answers = []
    try:
        for batch in _batches(rng):
            theirs = wire.produce(topic, 0, batch)
            mine = _append(ours, topic, batch)
            assert mine == theirs, (len(answers), batch_twin.decode_batch(batch)[0])
            answers.append(theirs[0])
    finally:
        wire.close()
    assert {OK, OUT_OF_SEQUENCE, OLD_EPOCH} <= set(answers)
    compare(sides, [(topic, 0)], [])


def _batches(rng: random.Random) -> Iterator[bytes]:
    """What two producers with retries and mistakes send."""
    base = (SEED << 20) + 1000
    now = time.time_ns() // 1_000_000
    epochs = {base: 3, base + 1: 3}
    following = {base: 0, base + 1: 2_147_483_640}  # this one's numbers wrap soon
    sent: list[bytes] = []
    for step in range(500):
        producer = rng.choice(list(epochs))
        dice = rng.random()
        if dice < 0.2 and sent:
            yield rng.choice(
                sent[-12:]
            )  # again: one of the last five of its producer, or an older one
            continue
        epoch, sequence = epochs[producer], following[producer]
        if dice < 0.3:
            sequence = (sequence + rng.randrange(1, 5)) & 0x7FFFFFFF
        elif dice < 0.36:
            epoch -= 1
        elif dice < 0.42:
            epoch += 1
            sequence = rng.choice([0, 0, sequence])
        records = [
            batch_twin.Record(value=b"%d" % step, timestamp=now) for _ in range(rng.randrange(1, 5))
        ]
        batch = batch_twin.encode_batch(
            records, producer_id=producer, producer_epoch=epoch, base_sequence=sequence
        )
        if epoch > epochs[producer] and sequence == 0:
            epochs[producer], following[producer] = epoch, 0
        if (epoch, sequence) == (epochs[producer], following[producer]):
            following[producer] = (sequence + len(records)) & 0x7FFFFFFF
            sent.append(batch)
        yield batch


def _append(ours: LogflumeSide, topic: str, batch: bytes) -> tuple[int, int]:
    """As Kafka answers: (error code, base offset)."""
    from logflume.errors import LogflumeError

    try:
        return OK, ours.log.partition(topic, 0).append_batches(batch)[0]
    except LogflumeError as error:
        return error.code, -1
