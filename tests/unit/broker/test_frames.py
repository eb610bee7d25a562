"""Frames out of a byte stream, however it is cut; hostile ones are refused before they cost anything."""

from __future__ import annotations

import random
import resource
import struct
from pathlib import Path

import pytest

from logflume._native.frames import Frame, FrameFault, FrameMemory, FrameReader


def request(api_key: int, version: int, correlation_id: int, body: bytes = b"") -> bytes:
    head = struct.pack(">hhih", api_key, version, correlation_id, 2) + b"me"
    return struct.pack(">i", len(head) + len(body)) + head + body


def receive(reader: FrameReader, data: bytes) -> list[Frame]:
    """As an event loop does it: into the buffer that the reader hands out."""
    out = []
    while data:
        with memoryview(reader) as room:
            n = min(len(room), len(data))
            room[:n] = data[:n]
        out += reader.received(n)
        data = data[n:]
    return out


@pytest.mark.parametrize("seed", range(20))
def test_frames_are_whole_however_the_stream_is_cut(seed: int) -> None:
    rng = random.Random(seed)
    sizes = [rng.choice((0, 1, 100, 70_000, 300_000)) for _ in range(12)]
    bodies = [rng.randbytes(size) for size in sizes]
    stream = b"".join(request(1, 2, i, body) for i, body in enumerate(bodies))
    reader = FrameReader(FrameMemory(), 1 << 20)
    frames = []
    while stream:
        cut = rng.choice((1, 3, 4, 5, 11, 1000, 100_000, len(stream)))
        frames += receive(reader, stream[:cut])
        stream = stream[cut:]
    assert [f.correlation_id for f in frames] == list(range(len(bodies)))
    for frame, body in zip(frames, bodies, strict=True):
        assert (frame.api_key, frame.version) == (1, 2)
        frame.open(False)
        assert frame.client_id == "me"
        assert bytes(memoryview(frame))[frame.body_at :] == body
    assert reader.partial_bytes == 0


@pytest.mark.parametrize("size", [-1, 0, 9, 1001, 0x7FFFFFFF])
def test_a_size_that_cannot_be_is_refused_before_memory_is_taken(size: int) -> None:
    memory = FrameMemory()
    reader = FrameReader(memory, 1000)
    with pytest.raises(FrameFault):
        receive(reader, struct.pack(">i", size))
    assert memory.held == 0


def test_beyond_the_budget_a_frame_waits_until_others_are_done() -> None:
    memory = FrameMemory(limit=1000)
    first, second = FrameReader(memory, 10_000), FrameReader(memory, 10_000)
    held = receive(first, request(1, 1, 1, b"x" * 800))
    told = []
    assert receive(second, request(1, 1, 2, b"y" * 900)[:300]) == []
    assert second.stalled
    memory.wait(lambda: told.append(True))
    assert second.go_on() == []
    assert second.stalled
    held.clear()
    assert told == [True]
    assert memory.held == 0
    assert second.go_on() == []
    assert not second.stalled
    assert [f.correlation_id for f in receive(second, request(1, 1, 2, b"y" * 900)[300:])] == [2]


def test_one_frame_is_let_through_even_above_the_budget() -> None:
    reader = FrameReader(FrameMemory(limit=10), 10_000)
    assert len(receive(reader, request(1, 1, 1, b"x" * 100))) == 1


def test_a_frame_that_is_dropped_gives_its_memory_back() -> None:
    memory = FrameMemory()
    frames = receive(FrameReader(memory, 1000), request(3, 1, 7) * 5)
    assert memory.held == 5 * 12
    del frames
    assert memory.held == 0


def test_memory_of_large_frames_is_used_again_and_bounded() -> None:
    memory = FrameMemory()
    reader = FrameReader(memory, 100 << 20)
    for i in range(50):
        body = bytes([i]) * 1_000_000
        (frame,) = receive(reader, request(0, 9, i, body))
        frame.open(False)
        assert bytes(memoryview(frame))[frame.body_at :] == body
        assert 1_000_000 <= memory.held <= 1_250_000
        del frame
        assert memory.kept_bytes == 1 << 20  # one frame's, by all of them in turn
    for size in (100, 70_000, 5_000_000, 9_000_000, 3_000_000, 64_000, 65_536):
        frames = receive(reader, request(0, 9, 0, bytes(size)) * 3)
        assert len(frames) == 3
        del frames
        assert memory.kept_bytes <= 8 << 20
    assert memory.held == 0


@pytest.mark.parametrize(
    ("head", "flexible"),
    [
        (b"\x7f\xff", False),  # a name longer than the frame
        (b"\x00\x00\x01", True),  # one tag, and nothing of it
        (b"\x00\x00\x01\x05\xff\xff\xff\xff\x0f", True),  # a tag of 4 GiB
        (b"\x00\x00\xff\xff\xff\xff\xff\xff", True),  # a count that does not end
        (b"\x00\x00", True),  # no tags where there must be
    ],
)
def test_a_head_that_goes_beyond_its_frame_is_refused(head: bytes, flexible: bool) -> None:
    body = struct.pack(">hhi", 3, 9, 1) + head
    frame = receive(FrameReader(FrameMemory(), 1000), struct.pack(">i", len(body)) + body)[0]
    with pytest.raises(FrameFault):
        frame.open(flexible)


def test_a_client_without_a_name() -> None:
    body = struct.pack(">hhih", 3, 1, 1, -1)
    frame = receive(FrameReader(FrameMemory(), 1000), struct.pack(">i", len(body)) + body)[0]
    frame.open(False)
    assert frame.client_id is None


def test_memory_of_many_large_frames_goes_back_to_the_system() -> None:
    """An allocator kept eighty megabytes for good, in pieces between which something small still lived."""

    def own_bytes() -> int:
        resident, of_files = Path("/proc/self/statm").read_text().split()[1:3]
        return (int(resident) - int(of_files)) * resource.getpagesize()

    memory = FrameMemory()
    reader = FrameReader(memory, 1 << 24)
    payload = request(0, 9, 1, bytes(1 << 20))
    before = own_bytes()
    small = []
    for _ in range(3):
        held = []
        for _ in range(100):
            held += reader.feed(payload)
            small.append(bytes(2000))
        assert own_bytes() > before + (90 << 20)
        del held
    assert memory.held == 0
    assert own_bytes() < before + (30 << 20)  # of which 8 MB are kept for the next ones
