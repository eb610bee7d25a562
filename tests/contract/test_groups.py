"""Groups: commits, resuming, sharing, listeners."""

from __future__ import annotations

import time

import pytest

from contract.conftest import drain
from logflume import OffsetAndMetadata, TopicPartition, errors


@pytest.fixture
def filled(log, name):
    log.create_topic(name, partitions=4)
    with log.producer(acks=1) as producer:
        for number in range(4):
            producer.send_many(name, [b"%d-%d" % (number, i) for i in range(50)], partition=number)
    return name


def member(log, topic, **options):
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False, **options}
    return log.consumer(topic, group=f"g-{topic}", **options)


def test_a_group_goes_on_where_it_committed(log, filled):
    with member(log, filled) as consumer:
        first = drain(consumer, 200)
        for number in range(4):
            assert consumer.committed(filled, number) is None
        consumer.commit({(filled, 0): 10, (filled, 1): OffsetAndMetadata(20, "a note")})
        assert consumer.committed(filled, 0) == 10
        assert consumer.committed((filled, 1)) == 20
        assert consumer.committed_entry(filled, 1) == OffsetAndMetadata(20, "a note")
        assert consumer.committed_entry(filled, 2) is None
    assert len({(r.partition, r.offset) for r in first}) == 200
    with member(log, filled) as consumer:
        again = drain(consumer, 170)
        assert min(r.offset for r in again if r.partition == 0) == 10
        assert min(r.offset for r in again if r.partition == 1) == 20
        consumer.commit()
    with member(log, filled) as consumer:
        assert consumer.poll(1.0) == []
        assert consumer.lag() == {(filled, n): 0 for n in range(4)}


def test_commit_covers_what_was_handed_out(log, filled):
    with log.consumer(
        group=f"g-{filled}", auto_offset_reset="earliest", enable_auto_commit=False
    ) as consumer:
        consumer.assign([(filled, 0)])
        for _ in range(5):
            next(iter(consumer))
        consumer.commit()
        assert consumer.committed(filled, 0) == 5
    with log.consumer(group=f"g-{filled}", enable_auto_commit=False) as consumer:
        consumer.assign([(filled, 0)])
        assert consumer.poll(20, max_records=1)[0].offset == 5


def test_auto_commit_at_close_unless_an_error_leaves(log, filled):
    with member(log, filled, enable_auto_commit=True) as consumer:
        drain(consumer, 200)
    with member(log, filled) as consumer:
        assert consumer.poll(1.0) == []
    log.partition(filled, 0).append(b"more")
    consumer = member(log, filled, enable_auto_commit=True)
    drain(consumer, 1)
    consumer.close(commit=False)  # as an exception that leaves its `with` block does
    with member(log, filled) as consumer:
        assert [r.value for r in drain(consumer, 1)] == [b"more"]


def test_two_consumers_share_and_one_takes_over(log, filled):
    told: list[tuple[str, set[int]]] = []

    def note(what):
        return lambda places: told.append((what, {p.partition for p in places}))

    first = log.consumer(
        group=f"g-{filled}", auto_offset_reset="earliest", enable_auto_commit=False
    )
    first.subscribe(filled, on_assigned=note("assigned"), on_revoked=note("revoked"))
    seen = [(r.partition, r.offset) for r in drain(first, 200)]
    assert sorted(seen) == sorted((p, o) for p in range(4) for o in range(50))
    assert first.assignment() == {TopicPartition(filled, n) for n in range(4)}
    first.commit()
    second = member(log, filled)
    deadline = time.monotonic() + 60
    while not (len(first.assignment()) == 2 and len(second.assignment()) == 2):
        assert time.monotonic() < deadline, (first.assignment(), second.assignment())
        assert first.poll(0.1) == second.poll(0.1) == []
    assert first.assignment() | second.assignment() == {TopicPartition(filled, n) for n in range(4)}
    for number in range(4):
        log.partition(filled, number).append(b"x")
    got: dict[str, list[int]] = {"first": [], "second": []}
    while sum(map(len, got.values())) < 4:
        assert time.monotonic() < deadline
        for who, consumer in (("first", first), ("second", second)):
            got[who] += [r.partition for r in consumer.poll(0.1)]
    assert sorted(got["first"] + got["second"]) == [0, 1, 2, 3]
    assert {TopicPartition(filled, p) for p in got["second"]} == second.assignment()
    second.commit()
    first.commit()
    second.close()
    while len(first.assignment()) < 4:
        assert time.monotonic() < deadline
        assert first.poll(0.1) == []
    first.close()
    assigned = [places for what, places in told if what == "assigned"]
    revoked = [places for what, places in told if what == "revoked"]
    assert assigned[0] == {0, 1, 2, 3}
    assert len(revoked[0]) == 2
    assert revoked[-1] == {0, 1, 2, 3}  # at close


def test_a_listener_may_seek(log, filled):
    consumer = log.consumer(group=f"g-{filled}", enable_auto_commit=False)

    def start(places):
        for place in places:
            consumer.seek(place, offset=45)

    consumer.subscribe(filled, on_assigned=start)
    assert {r.offset for r in drain(consumer, 20)} == {45, 46, 47, 48, 49}
    consumer.close()


def test_commits_need_a_group_and_the_partition(log, filled):
    with log.consumer(filled) as consumer:
        for call in (consumer.commit, lambda: consumer.committed(filled, 0)):
            with pytest.raises(errors.InvalidGroup):
                call()
    with member(log, filled) as consumer:
        drain(consumer, 200)
        with pytest.raises(errors.CommitFailed):
            consumer.commit({(filled + "-other", 0): 1})
        consumer.unsubscribe()
        assert consumer.assignment() == set()
        assert consumer.poll(0.1) == []
