"""The spillable memory channel: order is kept, the disk takes what memory does not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from logflume.agent import EventBatch
from logflume.agent.channels import SpillableMemoryChannel, Taker
from logflume.agent.components import Context
from logflume.agent.options import parse_component
from logflume.agent.stores import Stores
from logflume.errors import ChannelFull


class Room:
    """Opens channels over one directory, as an agent that starts again and again would."""

    def __init__(self, where: Path) -> None:
        self.where = where
        self.opened: list[tuple[SpillableMemoryChannel, Stores]] = []

    def open(self, **given: str) -> SpillableMemoryChannel:
        stores = Stores()
        given = {"dataDirs": str(self.where), **given}
        made = SpillableMemoryChannel(
            "c", parse_component(SpillableMemoryChannel.Config, given), Context("a", stores)
        )
        made.takers_wanted = 1
        self.opened.append((made, stores))
        made.open()
        return made

    def close(self) -> None:
        for made, stores in self.opened:
            made.close()
            stores.close()
        self.opened = []


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    made.close()


def put(channel: SpillableMemoryChannel, first: int, count: int) -> None:
    batch = EventBatch([b"%d" % n for n in range(first, first + count)])
    channel.reserve(batch, threading.Event())
    channel.put(batch)


def take(taker: Taker, count: int) -> list[bytes]:
    out: list[bytes] = []
    while len(out) < count:
        batch = taker.take(count - len(out), 5.0)
        assert batch is not None
        out += batch.body_list()
    return out


def numbers(first: int, upto: int) -> list[bytes]:
    return [b"%d" % n for n in range(first, upto)]


def test_memory_first_then_disk_in_order(room: Room) -> None:
    channel = room.open(memoryCapacity="100")
    taker = channel.taker()
    for first in range(0, 250, 50):
        put(channel, first, 50)
    assert (channel._in_memory, channel._on_disk) == (100, 150)
    assert channel.counters["ChannelSize"] == 250
    assert take(taker, 120) == numbers(0, 120)
    put(channel, 250, 50)  # memory has room, but those on disk are older
    assert (channel._in_memory, channel._on_disk) == (0, 180)
    taker.commit(None)
    assert take(taker, 180) == numbers(120, 300)
    taker.commit(None)
    put(channel, 300, 50)
    assert (channel._in_memory, channel._on_disk) == (50, 0)
    assert take(taker, 50) == numbers(300, 350)
    taker.commit(None)
    assert channel.counters["ChannelSize"] == 0


def test_what_is_rolled_back_comes_again(room: Room) -> None:
    channel = room.open(memoryCapacity="100")
    taker = channel.taker()
    put(channel, 0, 100)
    put(channel, 100, 100)
    assert take(taker, 150) == numbers(0, 150)
    taker.rollback()
    assert take(taker, 200) == numbers(0, 200)
    taker.commit(None)
    assert taker.note() is None


def test_a_clean_stop_keeps_all(room: Room) -> None:
    channel = room.open(memoryCapacity="100")
    put(channel, 0, 50)
    room.close()
    again = room.open(memoryCapacity="100")
    assert again.counters["ChannelSize"] == 50
    assert take(again.taker(), 50) == numbers(0, 50)


def test_bytes_are_bounded(room: Room) -> None:
    channel = room.open(memoryCapacity="100", byteCapacity="100", byteCapacityBufferPercentage="50")
    put(channel, 10, 25)
    assert (channel._in_memory, channel._on_disk) == (25, 0)
    put(channel, 10, 1)
    assert (channel._in_memory, channel._on_disk) == (25, 1)


def test_no_room_is_an_error(room: Room) -> None:
    channel = room.open(memoryCapacity="10", overflowCapacity="10", overflowTimeout="0")
    put(channel, 0, 10)
    put(channel, 10, 10)
    with pytest.raises(ChannelFull):
        put(channel, 20, 1)


def test_memory_alone_and_disk_alone(room: Room) -> None:
    channel = room.open(memoryCapacity="10", overflowCapacity="0", overflowTimeout="0")
    put(channel, 0, 10)
    with pytest.raises(ChannelFull):
        put(channel, 10, 1)
    take(channel.taker(), 10)
    room.close()
    channel = room.open(memoryCapacity="0")
    put(channel, 0, 10)
    assert (channel._in_memory, channel._on_disk) == (0, 10)
