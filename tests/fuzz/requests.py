"""Frames to damage: drawn once for each API and version, then changed over and over."""

from __future__ import annotations

import random
from collections.abc import Iterable

from logflume.broker.dispatch import Handler
from support.any_requests import draw, frame

__all__ = ["Corpus"]

_BYTES = (0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF)
_RUNS = (
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\x80\x80\x80\x80\x10",
    b"\xff\xff\xff\xff\x0f",
)


class Corpus:
    """Good requests, and as many damaged ones as are asked for. The size in front stays right unless told otherwise."""

    def __init__(self, seed: int, handlers: Iterable[Handler], *, each: int = 12) -> None:
        self._random = random.Random(seed)
        self._good = [
            frame(handler.api_key, version, draw(self._random, handler.api_key, version))
            for handler in handlers
            for version in range(handler.lowest, handler.highest + 1)
            for _ in range(each)
        ]

    def __len__(self) -> int:
        return len(self._good)

    def damaged(self, *, sizes_too: bool = False) -> bytearray:
        """The next one. Its API and version are mostly what they were."""
        rng = self._random.random
        data = bytearray(self._good[int(rng() * len(self._good))])
        # Behind size, API, version, correlation id; now and then one of those too.
        first = 12 if rng() < 0.98 else (0 if sizes_too else 4)
        for _ in range(1 + int(rng() * 3)):
            at = first + int(rng() * (len(data) - first + 1))
            kind = rng()
            if kind < 0.5 and at < len(data):
                data[at] = _BYTES[int(rng() * 7)] if rng() < 0.7 else int(rng() * 256)
            elif kind < 0.65:
                run = _RUNS[int(rng() * 5)]
                data[at : at + len(run)] = run
            elif kind < 0.8 and at > first:
                del data[at:]
            elif kind < 0.9:
                data[at:at] = self._random.randbytes(1 + int(rng() * 8))
            else:
                del data[at : at + 1 + int(rng() * 8)]
        if not sizes_too:
            data[:4] = (len(data) - 4).to_bytes(4, "big")
        return data
