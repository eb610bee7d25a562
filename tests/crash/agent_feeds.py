"""What agents under fire are fed with, and where it arrives: files, topics of a directory, topics of a cluster."""

from __future__ import annotations

import os
import random
import uuid
from collections import Counter
from pathlib import Path

import logflume

__all__ = ["FilesOut", "RecordsIn", "SpoolIn", "TailIn", "TopicOut"]


class TailIn:
    """Files that grow, are rotated, and are cut off."""

    def __init__(self, where: Path, draw: random.Random) -> None:
        self.inside = where / "in"
        self.inside.mkdir()
        self.draw = draw
        self.sent = 0
        self.files = 0

    def _lines(self, count: int) -> bytes:
        first, self.sent = self.sent, self.sent + count
        return b"".join(b"%d\n" % number for number in range(first, self.sent))

    def more(self) -> None:
        """More lines, one of them in two halves; now and then the file is rotated away."""
        path = self.inside / f"{self.draw.randrange(3)}.log"
        lines = self._lines(self.draw.randrange(1, 400))
        half = self.draw.randrange(len(lines))
        with path.open("ab") as file:
            file.write(lines[:half])
            file.flush()
            file.write(lines[half:])
        if self.draw.random() < 0.1:
            self.files += 1
            path.rename(f"{path}.{self.files}")

    def cut_off(self) -> None:
        """What copytruncate does in the end; everything was read by then."""
        for path in self.inside.glob("*.log*"):
            os.truncate(path, 0)

    def close(self) -> None:
        """Nothing is open."""


class SpoolIn(TailIn):
    """Files that come whole."""

    def more(self) -> None:
        self.files += 1
        hidden = self.inside / f".{self.files}"
        hidden.write_bytes(self._lines(self.draw.randrange(1, 400)))
        hidden.rename(self.inside / f"{self.files}.txt")

    def cut_off(self) -> None:
        """A file that is spooled stays as it is."""


class RecordsIn:
    """Records of a topic with two partitions, of a directory or a cluster."""

    def __init__(self, address: str, topic: str, draw: random.Random) -> None:
        self.draw = draw
        self.sent = 0
        self.topic = topic
        self._log = logflume.open(address)
        self._log.create_topic(topic, partitions=2)
        self._producer = self._log.producer()

    def more(self) -> None:
        """Some more."""
        first, self.sent = self.sent, self.sent + self.draw.randrange(1, 200)
        self._producer.send_many(self.topic, [b"%d" % n for n in range(first, self.sent)])

    def cut_off(self) -> None:
        """A topic stays as it is."""

    def close(self) -> None:
        """Let the log go."""
        self._producer.close()
        self._log.close()


class FilesOut:
    """What the file roll sink, or the HDFS sink on this machine, wrote."""

    def __init__(self, where: Path) -> None:
        self._out = where / "out"

    def seen(self) -> Counter[bytes]:
        """Every line that is there."""
        found: Counter[bytes] = Counter()
        for path in self._out.rglob("*"):
            if path.is_dir():
                continue
            try:
                found.update(path.read_bytes().splitlines())
            except FileNotFoundError:
                # Begun behind the last settling, and removed by the agent that came back.
                continue
        return found

    def close(self) -> None:
        """Nothing is open."""


class TopicOut:
    """What readers of committed records see of a topic."""

    def __init__(self, address: str, topic: str) -> None:
        self._log = logflume.open(address)
        self._log.create_topic(topic, partitions=2)
        self._consumer = self._log.consumer(
            topic,
            group=uuid.uuid4().hex,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        self._seen: Counter[bytes] = Counter()

    def seen(self) -> Counter[bytes]:
        """All records so far."""
        while records := self._consumer.poll(0.3, 10_000):
            self._seen.update(record.value or b"" for record in records)
        return self._seen

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()
        self._log.close()
