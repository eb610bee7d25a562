"""The memory channel: bounded by events, and by the bytes of their bodies."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from logflume.agent.channels import MemoryChannel
from logflume.agent.components import Context
from logflume.agent.events import EventBatch
from logflume.agent.options import parse_component
from logflume.agent.stores import Stores
from logflume.errors import ChannelFull, InvalidConfig

Make = Callable[..., MemoryChannel]
NEVER = threading.Event()


@pytest.fixture
def channel() -> Make:
    def made(**given: str) -> MemoryChannel:
        plain = {"capacity": "1000", "keep-alive": "0", **given}
        one = MemoryChannel(
            "c", parse_component(MemoryChannel.Config, plain), Context("a", Stores())
        )
        one.open()
        return one

    return made


def put(channel: MemoryChannel, batch: EventBatch) -> None:
    channel.reserve(batch, NEVER)
    channel.put(batch)


def test_bytes_of_bodies_are_bounded(channel: Make) -> None:
    one = channel(byteCapacity="1000", byteCapacityBufferPercentage="40")  # 600 of bodies
    for _ in range(3):
        put(one, EventBatch([b"x" * 100] * 2))
    assert one.is_pressed
    with pytest.raises(ChannelFull, match="its byteCapacity is 600"):
        put(one, EventBatch([b"y"]))
    taker = one.taker()
    taken = taker.take(3, 0)
    assert taken is not None
    with pytest.raises(ChannelFull):
        put(one, EventBatch([b"y"]))  # what is taken and not committed may come back
    taker.rollback()
    taken = taker.take(2, 0)
    assert taken is not None
    taker.commit(None)
    put(one, EventBatch([b"y" * 200]))
    assert (one.room.used, one.room.used_bytes) == (5, 600)


def test_a_put_larger_than_all_the_room_goes_in_alone(channel: Make) -> None:
    one = channel(byteCapacity="10")
    put(one, EventBatch([b"x" * 100]))
    with pytest.raises(ChannelFull):
        put(one, EventBatch([b"x"]))


@pytest.mark.parametrize("given", [{}, {"byteCapacity": "0"}])
def test_without_byte_capacity_events_count_alone(channel: Make, given: dict[str, str]) -> None:
    one = channel(**given)
    put(one, EventBatch([b"x" * 100_000] * 900))
    with pytest.raises(ChannelFull, match="its capacity is 1000"):
        put(one, EventBatch([b"x"] * 101))


def test_a_part_for_headers_is_a_percentage() -> None:
    with pytest.raises(InvalidConfig, match="byteCapacityBufferPercentage"):
        parse_component(MemoryChannel.Config, {"byteCapacityBufferPercentage": "101"})
