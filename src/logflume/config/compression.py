"""The compression options that topics and producers share: codecs and their levels."""

from __future__ import annotations

from logflume.config.kinds import Choice, Int

__all__ = [
    "CODECS",
    "GZIP_LEVEL",
    "LZ4_LEVEL",
    "PRODUCER_CODEC",
    "TOPIC_CODEC",
    "ZSTD_LEVEL",
    "Level",
]

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class Level(Int):
    """A compression level; `default` is a value outside the range that means the library's own."""

    __slots__ = ("default",)

    def __init__(self, *, min: int, max: int, default: int | None = None) -> None:
        super().__init__(min=min, max=max)
        self.default = default

    def parse(self, value: object) -> int:
        number = self._number(value)
        return number if number == self.default else super().parse(value)

    def valid(self) -> str:
        extra = "" if self.default is None else f", or {self.default} for the library's own"
        return super().valid() + extra


# The ranges are those Kafka checks; each library's own.
GZIP_LEVEL = Level(min=1, max=9, default=-1)
LZ4_LEVEL = Level(min=1, max=17)
ZSTD_LEVEL = Level(min=-131072, max=22)

PRODUCER_CODEC = Choice(*CODECS)
TOPIC_CODEC = Choice("producer", "uncompressed", *CODECS[1:], also={"none": "uncompressed"})
