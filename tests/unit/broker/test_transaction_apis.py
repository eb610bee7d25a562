"""Every version of every API about transactions, over the wire: what a client of that age is answered."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from logflume.broker import ThreadedBroker, serve
from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import table
from logflume.coordinator.offsets_topic import open_offsets
from logflume.errors import ProducerFenced, TransactionAborted
from support.txn_client import V1, V2, TxnClient
from support.wire import Wire

UNKNOWN_TOPIC, NOT_ENOUGH_REPLICAS, ILLEGAL_GENERATION = 3, 19, 22
INVALID_REQUEST, INVALID_EPOCH, INVALID_TXN_STATE, INVALID_MAPPING = 42, 47, 48, 49
INVALID_TIMEOUT, NOT_ATTEMPTED, UNSTABLE, FENCED, NOT_FOUND, ABORTABLE = 50, 55, 88, 90, 105, 120
BOTH = pytest.mark.parametrize("versions", [V1, V2], ids=["v1", "v2"])


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logflume.Log]:
    with logflume.open(tmp_path / "data") as opened:
        opened.create_topic("t", partitions=2)
        yield opened


@pytest.fixture
def broker(log: logflume.Log) -> Iterator[ThreadedBroker]:
    options = {"transaction_abort_timed_out_transaction_cleanup_interval_ms": 20}
    with serve(log, **options) as running:
        yield running


@pytest.fixture
def wire(broker: ThreadedBroker) -> Iterator[Wire]:
    with Wire(broker.bootstrap) as client:
        yield client


def committed(log: logflume.Log, number: int = 0) -> list[bytes]:
    partition = log.partition("t", number)
    found: list[bytes] = []
    reader = partition.reader(0, read_committed=True)
    while reader.position < partition.last_stable_offset:
        before = reader.position
        found += [bytes(r.value) for r in reader.read()]
        assert reader.position > before
    return found


def ready(wire: Wire, versions: dict[str, int], name: str = "x", **options: int) -> TxnClient:
    """A client that is about to write to both partitions."""
    client = TxnClient(wire, name, versions)
    assert client.init(**options) == 0
    if "add" in versions:
        assert client.add(("t", 0), ("t", 1)) == [0, 0]
    return client


def older(wire: Wire, api: ApiKey, key: str) -> list[dict[str, int]]:
    """Clients of version 1 that have each version of one API."""
    entry = table()[api]
    return [V1 | {key: version} for version in range(entry.lowest, min(entry.highest, V1[key]) + 1)]


@BOTH
def test_a_commit_is_seen_whole_and_an_abort_never(
    wire: Wire, log: logflume.Log, versions: dict[str, int]
) -> None:
    client = ready(wire, versions)
    for turn in range(4):
        if "add" in versions and turn:
            assert client.add(("t", 0), ("t", 1)) == [0, 0]
        assert client.send("t", 0, b"a%d" % turn) == client.send("t", 1, b"b%d" % turn) == 0
        assert committed(log)[-1:] != [b"a%d" % turn]
        assert client.end(commit=turn % 2 == 0) == 0
    assert (committed(log, 0), committed(log, 1)) == ([b"a0", b"a2"], [b"b0", b"b2"])
    [told] = log.transactions.list()
    assert told.state == "CompleteAbort"


def test_every_version_of_each_request_serves_a_transaction(wire: Wire, log: logflume.Log) -> None:
    kinds = [
        ("init", ApiKey.INIT_PRODUCER_ID),
        ("add", ApiKey.ADD_PARTITIONS_TO_TXN),
        ("offsets", ApiKey.ADD_OFFSETS_TO_TXN),
        ("end", ApiKey.END_TXN),
        ("commit", ApiKey.TXN_OFFSET_COMMIT),
        ("produce", ApiKey.PRODUCE),
    ]
    wanted = []
    for key, api in kinds:
        for versions in older(wire, api, key):
            client = ready(wire, versions)
            assert client.send("t", 0, f"{key} {versions[key]}".encode()) == 0
            assert client.add_offsets() == 0
            assert client.commit_offsets(5, 6) == [0, 0]
            assert client.end() == 0
            wanted.append(f"{key} {versions[key]}".encode())
    assert committed(log) == wanted
    assert {e.offset for e in open_offsets(log.directory, "g").offsets("g").values()} == {5, 6}


def test_batches_of_transactions_are_several_in_one_request(wire: Wire, log: logflume.Log) -> None:
    one, two = ready(wire, V1 | {"add": 5}, "one"), TxnClient(wire, "two", V1)
    assert two.init() == 0
    asked = [
        {**one._who(), "verify_only": True, "topics": [{"name": "t", "partitions": [0]}]},
        {**two._who(), "verify_only": True, "topics": [{"name": "t", "partitions": [0, 1]}]},
    ]
    answer = wire.ask(ApiKey.ADD_PARTITIONS_TO_TXN, 5, transactions=asked)
    codes = {
        result.transactional_id: [
            int(p.partition_error_code)
            for t in result.topic_results
            for p in t.results_by_partition
        ]
        for result in answer.results_by_transaction
    }
    assert codes == {"one": [0], "two": [ABORTABLE, ABORTABLE]}


@BOTH
def test_the_next_producer_fences_the_one_before(
    wire: Wire, log: logflume.Log, versions: dict[str, int]
) -> None:
    first = ready(wire, versions)
    assert first.send("t", 0, b"lost") == 0
    second = ready(wire, versions)
    assert second.epoch > first.epoch
    assert second.producer_id == first.producer_id
    assert first.send("t", 0, b"late") == INVALID_EPOCH
    assert first.end() == FENCED
    assert second.send("t", 0, b"kept") == 0
    assert second.end() == 0
    assert committed(log) == [b"kept"]


def test_old_clients_are_told_that_they_are_fenced_in_words_they_know(wire: Wire) -> None:
    for key, api, since in (
        ("add", ApiKey.ADD_PARTITIONS_TO_TXN, 2),
        ("offsets", ApiKey.ADD_OFFSETS_TO_TXN, 2),
        ("end", ApiKey.END_TXN, 2),
    ):
        for versions in older(wire, api, key):
            first, _ = ready(wire, versions), ready(wire, versions)
            asked = {
                "add": lambda c=first: c.add(("t", 0))[0],
                "offsets": first.add_offsets,
                "end": first.end,
            }
            expected = FENCED if versions[key] >= since else INVALID_EPOCH
            assert asked[key]() == expected, versions
    for version in (3, 4, 5):
        first, second = ready(wire, V1 | {"init": version}), ready(wire, V1)
        assert second.epoch > first.epoch
        known = (first.producer_id, first.epoch)
        assert first.init(known=known) == (FENCED if version >= 4 else INVALID_EPOCH)


def test_a_producer_that_goes_on_gets_the_next_epoch_once(wire: Wire) -> None:
    client = TxnClient(wire)
    assert client.init() == 0
    known = (client.producer_id, client.epoch)
    assert client.init(known=known) == 0
    assert (client.producer_id, client.epoch) == (known[0], known[1] + 1)
    assert client.init(known=known) == 0  # the answer got lost: the same again
    assert client.epoch == known[1] + 1
    assert client.init(known=(known[0], client.epoch)) == 0
    assert client.epoch == known[1] + 2
    assert client.init(known=known) == FENCED
    assert client.init(known=(known[0] + 7, 0)) == FENCED
    assert client.init(known=(known[0], -1)) == INVALID_REQUEST


def test_who_is_unknown_or_asks_for_what_cannot_be_is_refused(wire: Wire) -> None:
    nobody = TxnClient(wire, "nobody")
    nobody.producer_id, nobody.epoch = 5, 0
    assert nobody.add(("t", 0)) == [INVALID_MAPPING]
    assert nobody.end() == INVALID_MAPPING
    assert nobody.send("t", 0, b"x") == INVALID_MAPPING
    assert TxnClient(wire, "").init() == INVALID_REQUEST
    assert TxnClient(wire).init(timeout_ms=0) == INVALID_TIMEOUT
    assert TxnClient(wire).init(timeout_ms=10**9) == INVALID_TIMEOUT
    assert TxnClient(wire, "n" * 40_000).init() == INVALID_REQUEST
    client = ready(wire, V1)
    assert client.add(("t", 0), ("gone", 0), ("t", 2)) == [
        NOT_ATTEMPTED,
        UNKNOWN_TOPIC,
        UNKNOWN_TOPIC,
    ]
    assert client.add(("__consumer_offsets", 0)) == [29]
    client.producer_id += 1
    assert client.end() == INVALID_MAPPING


def test_a_batch_of_a_partition_that_was_not_added_is_refused(
    wire: Wire, log: logflume.Log
) -> None:
    for version, code in ((9, INVALID_TXN_STATE), (10, INVALID_TXN_STATE), (11, ABORTABLE)):
        client = TxnClient(wire, versions=V1 | {"produce": version})
        assert client.init() == 0
        assert client.send("t", 0, b"x") == code
        assert client.add(("t", 1)) == [0]
        client.sequences.clear()
        assert client.send("t", 0, b"x") == code
        assert client.end(commit=False) == 0
    assert log.partition("t", 0).end_offset == 0


def test_a_batch_of_a_transaction_needs_its_name_in_the_request(
    wire: Wire, log: logflume.Log
) -> None:
    client = ready(wire, V1)
    assert client.send("t", 0, b"x", transactional_id=None) == INVALID_REQUEST
    assert client.send("t", 0, b"x", transactional_id="other") == INVALID_MAPPING
    assert log.partition("t", 0).end_offset == 0


def test_late_batches_do_not_begin_a_transaction(wire: Wire, log: logflume.Log) -> None:
    client = ready(wire, V1)
    assert client.send("t", 0, b"a") == 0
    assert client.end() == 0
    assert client.send("t", 0, b"late") == ABORTABLE
    of_version_2 = ready(wire, V2, "y")
    assert of_version_2.send("t", 0, b"b") == 0
    before = of_version_2.epoch
    assert of_version_2.end() == 0
    of_version_2.epoch = before
    assert of_version_2.send("t", 0, b"late") == INVALID_EPOCH
    assert committed(log) == [b"a", b"b"]
    assert log.partition("t", 0).last_stable_offset == log.partition("t", 0).end_offset


def test_an_end_that_is_asked_for_again_is_answered_again(wire: Wire) -> None:
    client = ready(wire, V1)
    assert client.send("t", 0, b"a") == 0
    assert [client.end(), client.end(), client.end(commit=False)] == [0, 0, INVALID_TXN_STATE]
    client = ready(wire, V2, "y")
    assert client.send("t", 0, b"b") == 0
    epoch = client.epoch
    for _ in range(3):
        client.epoch = epoch
        assert client.end() == 0
        assert client.epoch == epoch + 1
    assert client.end() == INVALID_TXN_STATE  # nothing was sent with this epoch
    assert client.end(commit=False) == 0
    assert client.epoch == epoch + 2
    client.epoch = epoch
    assert client.end() == FENCED


@BOTH
def test_a_transaction_is_aborted_when_its_time_is_over(
    wire: Wire, log: logflume.Log, versions: dict[str, int]
) -> None:
    client = ready(wire, versions, timeout_ms=300)
    assert client.send("t", 0, b"late") == 0
    partition = log.partition("t", 0)
    deadline = time.monotonic() + 60
    while partition.last_stable_offset < 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert client.end() == FENCED
    assert client.send("t", 0, b"later") in (INVALID_EPOCH, ABORTABLE)
    assert committed(log) == []
    assert client.init() == 0


@BOTH
def test_the_last_epoch_of_a_producer_id_is_followed_by_another_id(
    wire: Wire, log: logflume.Log, broker: ThreadedBroker, versions: dict[str, int]
) -> None:
    from dataclasses import replace

    client = TxnClient(wire, versions=versions)
    assert client.init() == 0
    room = log.directory.coordinator.room
    with room.locked() as state:
        state.append(replace(state.get("x"), producer_epoch=0x7FFF - 1))
    client.epoch = 0x7FFF - 1
    first = client.producer_id
    if versions is V1:
        assert client.add(("t", 0)) == [0]
    assert client.send("t", 0, b"a") == 0
    asked = client.producer_id, client.epoch
    assert client.end() == 0
    if versions is V2:
        assert client.producer_id != first
        assert client.epoch == 0
        now = client.producer_id
        client.producer_id, client.epoch = asked  # the answer got lost
        assert client.end() == 0
        assert (client.producer_id, client.epoch) == (now, 0)
    else:
        assert client.init(known=asked) == 0
        assert client.producer_id != first
        assert client.epoch == 0
        now = client.producer_id
        assert client.init(known=asked) == 0
        assert client.producer_id == now
        assert client.add(("t", 0)) == [0]
    assert client.send("t", 0, b"b") == 0
    assert client.end() == 0
    assert committed(log) == [b"a", b"b"]


@BOTH
def test_offsets_count_when_their_transaction_is_committed(
    wire: Wire, log: logflume.Log, versions: dict[str, int]
) -> None:
    client = ready(wire, versions)
    if versions is V1:
        assert client.commit_offsets(7) == [ABORTABLE]
        assert client.add_offsets() == 0
    assert client.commit_offsets(7, 8) == [0, 0]
    assert client.commit_offsets(9) == [0]  # again, within the same transaction

    def fetch(version: int, *, stable: bool) -> list[tuple[int, int]]:
        topics = [{"name": "t", "partition_indexes": [0, 1]}]
        answer = wire.ask(
            ApiKey.OFFSET_FETCH,
            version,
            group_id="g",
            topics=topics,
            require_stable=stable,
            groups=[{"group_id": "g", "member_id": None, "member_epoch": -1, "topics": topics}],
        )
        group = answer.groups[0] if version >= 8 else answer
        return [(p.committed_offset, int(p.error_code)) for p in group.topics[0].partitions]

    for version in (7, 8, 9):
        assert fetch(version, stable=False) == [(-1, 0), (-1, 0)]
        assert fetch(version, stable=True) == [(-1, UNSTABLE), (-1, UNSTABLE)]
    assert client.end() == 0
    assert fetch(8, stable=True) == [(9, 0), (8, 0)]
    if versions is V1:
        assert client.add_offsets() == 0
    assert client.commit_offsets(100) == [0]
    assert client.end(commit=False) == 0
    assert fetch(8, stable=True) == [(9, 0), (8, 0)]


def test_offsets_of_who_is_no_member_any_more_are_refused(wire: Wire) -> None:
    client = ready(wire, V1)
    assert client.add_offsets() == 0
    assert client.commit_offsets(1, generation_id=3, member_id="gone") == [ILLEGAL_GENERATION]
    assert client.commit_offsets(1, topic="none") == [UNKNOWN_TOPIC]
    assert client.commit_offsets(1, group="") == [24]


def test_embedded_producers_and_clients_fence_each_other(wire: Wire, log: logflume.Log) -> None:
    client = ready(wire, V1)
    assert client.send("t", 0, b"client's") == 0
    with log.producer(transactional_id="x") as producer:
        assert client.send("t", 0, b"late") == INVALID_EPOCH
        assert client.end() == FENCED
        with producer.transaction():
            producer.send("t", b"embedded", partition=0)
        transaction = producer.transaction()
        producer.send("t", b"lost", partition=0)
        assert client.init() == 0
        with pytest.raises((ProducerFenced, TransactionAborted)):
            transaction.commit()
        assert client.add(("t", 0)) == [0]
        assert client.send("t", 0, b"back") == 0
        assert client.end() == 0
    assert committed(log) == [b"embedded", b"back"]


def test_operators_see_transactions_and_producers(wire: Wire, log: logflume.Log) -> None:
    client = ready(wire, V1, "orders")
    assert client.send("t", 0, b"a", b"b") == 0
    other = TxnClient(wire, "other")
    assert other.init() == 0

    def listed(version: int = 2, **filters: object) -> list[str]:
        empty = {"state_filters": [], "producer_id_filters": [], "duration_filter": -1}
        asked = empty | {"transactional_id_pattern": None} | filters
        answer = wire.ask(ApiKey.LIST_TRANSACTIONS, version, **asked)
        assert answer.error_code == 0
        return [state.transactional_id for state in answer.transaction_states]

    for version in (0, 1, 2):
        assert listed(version) == ["orders", "other"]
        assert listed(version, state_filters=["Ongoing"]) == ["orders"]
        assert listed(version, producer_id_filters=[other.producer_id]) == ["other"]
    assert listed(duration_filter=0) in ([], ["orders"])
    assert listed(duration_filter=10**9) == []
    assert listed(transactional_id_pattern="o.*r") == ["other"]
    bad = wire.ask(
        ApiKey.LIST_TRANSACTIONS,
        2,
        state_filters=["Odd"],
        producer_id_filters=[],
        duration_filter=-1,
        transactional_id_pattern="(",
    )
    assert bad.error_code == 128
    one, missing, empty = wire.ask(
        ApiKey.DESCRIBE_TRANSACTIONS, 0, transactional_ids=["orders", "none", ""]
    ).transaction_states
    assert (one.transaction_state, one.producer_id) == ("Ongoing", client.producer_id)
    assert [(t.topic, t.partitions) for t in one.topics] == [("t", (0, 1))]
    assert (int(missing.error_code), int(empty.error_code)) == (NOT_FOUND, INVALID_REQUEST)
    asked = [{"name": "t", "partition_indexes": [0, 1, 5]}]
    found = wire.ask(ApiKey.DESCRIBE_PRODUCERS, 0, topics=asked).topics[0].partitions
    [producer] = found[0].active_producers
    assert (producer.producer_id, producer.last_sequence) == (client.producer_id, 1)
    assert producer.current_txn_start_offset == 0
    assert (found[1].active_producers, int(found[2].error_code)) == ((), UNKNOWN_TOPIC)


def test_an_operator_ends_what_hangs_in_a_partition(wire: Wire, log: logflume.Log) -> None:
    client = ready(wire, V1)
    assert client.send("t", 0, b"hangs") == 0
    marker = {
        "producer_id": client.producer_id,
        "producer_epoch": client.epoch,
        "transaction_result": False,
        "topics": [{"name": "t", "partition_indexes": [0, 7]}],
        "coordinator_epoch": 0,
        "transaction_version": 0,
    }
    for version in (1, 2):
        [answer] = wire.ask(ApiKey.WRITE_TXN_MARKERS, version, markers=[marker]).markers
        assert [int(p.error_code) for p in answer.topics[0].partitions] == [0, UNKNOWN_TOPIC]
    assert log.partition("t", 0).last_stable_offset == 2
    old = marker | {"producer_epoch": client.epoch - 1}
    [answer] = wire.ask(ApiKey.WRITE_TXN_MARKERS, 1, markers=[old]).markers
    assert int(answer.topics[0].partitions[0].error_code) in (0, INVALID_EPOCH)


def test_an_idempotent_producer_gets_an_id_of_its_own(wire: Wire) -> None:
    found = {
        wire.ask(
            ApiKey.INIT_PRODUCER_ID,
            version,
            transactional_id=None,
            transaction_timeout=-1,
            producer_id=5,
            producer_epoch=3,
        ).producer_id
        for version in range(6)
    }
    assert len(found) == 6
