"""Group commit off the event loop."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

from logflume.broker.syncs import Syncs


class SlowLog:
    def __init__(self) -> None:
        self.durable_offset = 0
        self.go_on = threading.Event()

    def sync(self, upto: int) -> None:
        assert self.go_on.wait(60)
        self.durable_offset = upto


def test_who_waits_behind_a_sync_is_served_also_when_the_broker_stops() -> None:
    async def main() -> None:
        broker: Any = SimpleNamespace(loop=asyncio.get_running_loop())
        syncs, log = Syncs(broker), SlowLog()
        partition: Any = log
        waiting = [syncs.wait(partition, offset) for offset in (1, 2, 3)]
        asyncio.get_running_loop().call_later(0.05, log.go_on.set)
        await syncs.stop()
        assert [one.done() for one in waiting] == [True] * 3
        assert log.durable_offset == 3

    asyncio.run(main())
