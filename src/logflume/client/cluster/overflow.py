"""Records that an event loop sent while the buffer was full: they wait here, and nothing overtakes them."""

from __future__ import annotations

import threading
import time
from collections import deque

from logflume.errors import LogflumeError, Timeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume._native.rdkafka_delivery import RemoteDelivery
    from logflume._native.rdkafka_producer import ProducerHandle, RemoteTopic

    Held = tuple[RemoteTopic, Any, Any, Any, int, int | None]
    Waiting = tuple[float, RemoteDelivery, Held]

__all__ = ["Overflow"]

_BYTES_MAX = 64 << 20
_ROOM = "room in the producer's buffer (buffer.memory)"


class Overflow:
    """Thread-safe. True while something waits. `seconds`: how long it may (max.block.ms)."""

    def __init__(self, handle: ProducerHandle, seconds: float) -> None:
        self._handle = handle
        self._seconds = seconds
        self._waiting: deque[Waiting] = deque()
        self._bytes = 0
        self._mutex = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def send(
        self,
        topic: RemoteTopic,
        value: Any,
        key: Any,
        headers: Any,
        partition: int,
        timestamp: int | None,
    ) -> RemoteDelivery:
        """As ProducerHandle.send; raises Timeout when too much waits already: nobody awaits deliveries."""
        with self._mutex:
            if not self._waiting:
                try:
                    return self._handle.send(
                        topic, value, key, headers, partition, timestamp, wait=False
                    )
                except Timeout:
                    pass
            if self._bytes > _BYTES_MAX:
                raise Timeout(what=f"{_ROOM}; await deliveries", seconds=0.0)
            delivery = self._handle.delivery(topic, partition)
            record: Held = (topic, _kept(value), _kept(key), headers, partition, timestamp)
            self._waiting.append((time.monotonic() + self._seconds, delivery, record))
            self._bytes += _size(record)
            return delivery

    def drain(self) -> None:
        """Send what there is room for; fail what waited too long."""
        while self._waiting:
            with self._mutex:
                deadline, delivery, record = self._waiting[0]
                error: LogflumeError | TypeError | None = None
                try:
                    self._handle.send(*record, held=delivery, wait=False)
                except Timeout:
                    if time.monotonic() < deadline:
                        return
                    error = Timeout(what=_ROOM, seconds=self._seconds)
                except (LogflumeError, TypeError) as failure:
                    error = failure
                self._waiting.popleft()
                self._bytes -= _size(record)
            if error is not None:
                self._handle.fail_delivery(delivery, error)


def _kept(given: Any) -> Any:
    """Bytes as they are now: what is not immutable may change before its turn."""
    return given if given is None or isinstance(given, (bytes, str)) else bytes(memoryview(given))


def _size(record: Held) -> int:
    return len(record[1] or b"") + len(record[2] or b"") + 100
