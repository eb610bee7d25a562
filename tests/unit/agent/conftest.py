"""A flow for one source or sink under test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from logflume.agent import registry
from logflume.agent.components import Context, Source
from logflume.agent.events import EventBatch
from logflume.agent.options import parse_component
from logflume.agent.stores import Stores


class Flow:
    """Runs one source; remembers what it delivers, and its positions as a durable channel would."""

    def __init__(self, kind: str, given: Mapping[str, str]) -> None:
        self.context = Context("a", Stores())
        cls = registry.find("source", kind, "type")
        self.source: Source = cls("r", parse_component(cls.Config, given), self.context)
        self.events: list[tuple[dict[str, str], bytes]] = []
        self.stored: dict[str, str] = {}
        self.batches: list[int] = []
        self.refuse: Exception | None = None
        self.source.deliver = self.source.offer = self._take
        self.source.flush = lambda: None
        self.source.positions = self
        self._thread: threading.Thread | None = None

    def load(self) -> dict[str, str]:
        return dict(self.stored)

    def _take(self, batch: EventBatch, positions: Mapping[str, str] | None) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.events += zip(batch.rows(), batch.body_list(), strict=True)
        self.batches.append(len(batch))
        self.stored.update(positions or {})

    @property
    def bodies(self) -> list[bytes]:
        return [body for _, body in self.events]

    def start(self) -> Flow:
        self.source.open()
        self._thread = threading.Thread(target=self.source.run)
        self._thread.start()
        return self

    def until(self, count: int, seconds: float = 60.0) -> list[bytes]:
        """Wait for so many events; the bodies."""
        end = time.monotonic() + seconds
        while len(self.events) < count and time.monotonic() < end:
            time.sleep(0.01)
        return self.bodies

    def stop(self) -> None:
        self.context.draining.set()
        if self._thread is not None:
            self._thread.join(60)
            assert not self._thread.is_alive()
        self.source.close()


@pytest.fixture
def flow() -> Any:
    made: list[Flow] = []

    def make(kind: str, stored: Mapping[str, str] | None = None, **given: str) -> Flow:
        one = Flow(kind, {name.replace("__", "."): value for name, value in given.items()})
        one.stored.update(stored or {})
        made.append(one)
        return one

    yield make
    for one in made:
        one.stop()


Make = Callable[..., Flow]
