"""Where sources stand is kept with their events: in the last record of a put, or in a transaction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from logflume.agent import Agent, EventBatch
from logflume.agent.channels import FileChannel
from logflume.agent.components import Context
from logflume.agent.options import parse_component
from logflume.agent.positions import FORGOTTEN, POSITIONS_TOPIC, Carried, StoredPositions
from logflume.agent.reading import plan_of
from logflume.agent.stores import Stores
from logflume.agent.writer import Writer
from logflume.errors import StorageError


@pytest.fixture
def channels(tmp_path: Path) -> Iterator[list[FileChannel]]:
    stores = Stores()
    context = Context("a", stores)
    config = parse_component(FileChannel.Config, {"dataDirs": str(tmp_path)})
    made = [FileChannel(name, config, context) for name in ("c", "d")]
    for one in made:
        one.open()
    yield made
    for one in made:
        one.close()
    stores.close()


def nothing() -> None:
    """Nobody waits."""


def writer_of(channels: list[FileChannel], source: str = "r") -> tuple[Writer, StoredPositions]:
    positions = StoredPositions(channels[0].store, "a", source, channels)
    return Writer(channels[0].store, "a", source, positions=positions), positions


def test_the_newest_put_says_where_a_source_stands(channels: list[FileChannel]) -> None:
    writer, positions = writer_of(channels)
    batch = EventBatch([b"1", b"2"], {"h": "x"})
    writer.put([("c", 0, batch)], {"f": "1", "g": "1"}, nothing)
    assert positions.load() == {"f": "1", "g": "1"}
    writer.put([("c", 0, batch), ("d", 0, batch)], {"f": "2"}, nothing)  # a transaction
    assert positions.load() == {"f": "2", "g": "1"}
    writer.put([("d", 0, batch)], {"f": "3"}, nothing)
    assert positions.load() == {"f": "3", "g": "1"}
    writer.close()
    again, positions = writer_of(channels)
    assert positions.load() == {"f": "3", "g": "1"}
    again.put([("c", 0, batch)], {"f": "4"}, nothing)
    assert writer_of(channels)[1].load() == {"f": "4", "g": "1"}
    again.close()


def test_sources_of_one_channel_have_their_own(channels: list[FileChannel]) -> None:
    one, positions = writer_of(channels, "r")
    other, others = writer_of(channels, "s")
    one.put([("c", 0, EventBatch([b"1"]))], {"f": "1"}, nothing)
    other.put([("c", 0, EventBatch([b"1"]))], {"f": "9"}, nothing)
    assert positions.load() == {"f": "1"}
    assert others.load() == {"f": "9"}
    one.close()
    other.close()


def test_positions_outlive_the_events_before_them(channels: list[FileChannel]) -> None:
    channel = channels[0]
    taker = channel.taker()
    writer, positions = writer_of(channels)
    writer.put([("c", 0, EventBatch([b"1"] * 60_000))], {"f": "1"}, nothing)
    writer.put([("c", 0, EventBatch([b"1"] * 60_000))], {"g": "2"}, nothing)
    taken = 0
    while taken < 120_000:
        taken += len(taker.take(10_000, 5.0) or [])
    taker.commit(None)
    assert channel.store.log.partition("c", 0).start_offset == 120_000
    assert positions.load() == {"f": "1", "g": "2"}
    assert POSITIONS_TOPIC in channel.store.log.topics()
    writer.close()


def test_puts_behind_count_when_they_are_on_disk(channels: list[FileChannel]) -> None:
    writer, positions = writer_of(channels)
    done: list[int] = []
    for number in range(50):
        batch = EventBatch([b"%d" % number])
        writer.put(
            [("c", 0, batch)], {"f": str(number)}, lambda n=number: done.append(n), behind=True
        )
    writer.flush()
    partition = channels[0].store.log.partition("c", 0)
    assert partition.durable_offset == partition.end_offset == 50
    writer.close()
    assert done == list(range(50))
    assert positions.load() == {"f": "49"}


def test_a_sync_that_fails_is_raised_by_a_later_put(
    channels: list[FileChannel], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, _ = writer_of(channels)

    class Failing:
        """A partition whose disk fails."""

        def __init__(self, real: object) -> None:
            self._real = real

        def sync(self, offset: int) -> None:
            raise StorageError(path="disk", reason="gone")

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

    failing = Failing(channels[0].store.log.partition("c", 0))
    monkeypatch.setattr(channels[0].store.log, "partition", lambda topic, number: failing)
    counted: list[int] = []
    writer.put([("c", 0, EventBatch([b"1"]))], {"f": "1"}, lambda: counted.append(1), behind=True)
    with pytest.raises(StorageError, match="gone"):
        writer.flush()
    assert counted == []
    writer.close()


def test_a_put_larger_than_a_batch_is_one_transaction(channels: list[FileChannel]) -> None:
    writer, positions = writer_of(channels)
    large = EventBatch([b"x" * 900_000] * 20)
    writer.put([("c", 0, large)], {"f": "1"}, nothing)
    assert positions.load() == {"f": "1"}
    writer.close()
    channel = channels[0]
    assert (
        channel.store.log.partition("c", 0).end_offset == 21
    )  # the transaction's end has an offset
    assert channel._waiting(0) == 20


@pytest.mark.parametrize("sinks", [1, 2])
def test_the_channels_size_is_the_number_of_its_events(tmp_path: Path, sinks: int) -> None:
    """Also where puts are transactions, whose ends have offsets; after a restart as before."""
    given = {
        "a.sources": "r",
        "a.channels": "c d",
        "a.sources.r.type": "seq",
        "a.sources.r.totalEvents": "1000",
        "a.sources.r.batchSize": "10",
        "a.sources.r.channels": "c d",
        "a.channels.c.type": "file",
        "a.channels.d.type": "file",
        "a.channels.c.dataDirs": str(tmp_path),
        "a.channels.d.dataDirs": str(tmp_path),
    }
    for _ in range(2):
        with Agent(plan_of(given, "a")) as agent:
            assert agent.wait(60)
            assert {c.counters["ChannelSize"] for c in agent.channels.values()} == {1000}
    names = [f"k{n}" for n in range(sinks)]
    for number, name in enumerate(names):
        given |= {f"a.sinks.{name}.type": "null", f"a.sinks.{name}.channel": "cd"[number]}
    given["a.sinks"] = " ".join(names)
    with Agent(plan_of(given, "a")) as agent:
        for _ in range(2000):
            left = [agent.channels["cd"[n]].counters["ChannelSize"] for n in range(sinks)]
            if not any(left):
                break
            agent.context.draining.wait(0.01)
        assert left == [0] * sinks


def test_a_place_that_is_forgotten_leaves_the_topic(channels: list[FileChannel]) -> None:
    """Not before the channel's records that have an older place are gone: that would come back."""
    writer, positions = writer_of(channels)
    log = channels[0].store.log

    def kept() -> set[bytes]:
        with log.table(POSITIONS_TOPIC, follow="manual") as table:
            table.refresh()
            return {bytes(key) for key in table}

    writer.put([("c", 0, EventBatch([b"1"]))], {"f": "1", "g": "1"}, nothing)
    writer.put([], {"f": FORGOTTEN}, nothing)
    assert positions.load() == {"g": "1"}
    assert kept() == {b"a/r/f"}
    carried = Carried()
    partition = log.partition("c", 0)
    end = int(partition.end_offset)
    carried.see_all(partition, end)
    carried.store(channels[0].store)  # an older f comes behind its end
    log.delete_records({("c", 0): end})
    assert positions.load() == {"g": "1"}
    assert kept() == {b"a/r/g by c-0"}
    writer.close()


def test_what_is_carried_over_late_hides_nothing_newer(channels: list[FileChannel]) -> None:
    """A put that was a transaction has its place in the topic before older ones are delivered, and carried there."""
    writer, positions = writer_of(channels)
    log = channels[0].store.log
    writer.put([("c", 0, EventBatch([b"1"]))], {"f": "1"}, nothing)
    end = int(log.partition("c", 0).end_offset)
    both = [("c", 0, EventBatch([b"2"])), ("d", 0, EventBatch([b"2"]))]
    writer.put(both, {"f": "2"}, nothing)
    carried = Carried()
    carried.see_all(log.partition("c", 0), end)
    carried.store(channels[0].store)
    log.delete_records({("c", 0): end})
    assert positions.load() == {"f": "2"}
    writer.close()


def test_partitions_are_carried_over_each_for_itself(tmp_path: Path) -> None:
    """Two takers deliver at their own pace: the one that is behind must not take a source back."""
    stores = Stores()
    config = parse_component(FileChannel.Config, {"dataDirs": str(tmp_path)})
    channel = FileChannel("c", config, Context("a", stores))
    channel.takers_wanted = 2
    channel.open()
    writer, positions = writer_of([channel])
    writer.put([("c", 0, EventBatch([b"1"]))], {"f": "1"}, nothing)
    writer.put([("c", 1, EventBatch([b"2"]))], {"f": "2"}, nothing)
    for number in (1, 0):
        carried = Carried()
        carried.see_all(channel.store.log.partition("c", number), 1)
        carried.store(channel.store)
        channel.store.log.delete_records({("c", number): 1})
    assert positions.load() == {"f": "2"}
    writer.close()
    channel.close()
    stores.close()
