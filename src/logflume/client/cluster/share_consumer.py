"""confluent-kafka's ShareConsumer and the one thread that polls it, a slice at a time and only while somebody waits."""

from __future__ import annotations

import json
import threading
import time

from logflume._native.queue_messages import keep_for_ever
from logflume.client.cluster.signal import Signal
from logflume.errors import MissingExtra

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Acknowledged = Callable[[dict[Any, set[int]], Any], None]

__all__ = ["SLICE_S", "PollingShareConsumer"]

SLICE_S = 0.25
"""How long one poll in the thread lasts: calls that need the consumer wait for its end."""
_JOIN_S = 20.0  # a group's first member gets its partitions with the second heartbeat, after 5 s
_FIRST_FETCH_S = 1.0
_STATISTICS_MS = 500


class PollingShareConsumer:
    """A ShareConsumer with explicit answers. One thread at a time, but for wake().

    `settings`: librdkafka's names; `acknowledged` is told what became of answers, from within other calls.
    """

    def __init__(
        self, settings: Mapping[str, str], topics: list[str], acknowledged: Acknowledged
    ) -> None:
        try:
            from confluent_kafka import ShareConsumer
        except ImportError as error:
            raise MissingExtra(
                what="a queue on a cluster", extra="kafka", reason="confluent-kafka 2.16 has it"
            ) from error
        self.signal = Signal()
        self._steady_at: float | None = None
        self._join_until = time.monotonic() + _JOIN_S
        own: dict[str, Any] = {
            "share.acknowledgement.mode": "explicit",
            "statistics.interval.ms": str(_STATISTICS_MS),
            "stats_cb": self._take_statistics,
            "error_cb": _note_error,
        }
        self._consumer = ShareConsumer({**settings, **own}, logger=_Logger())
        self._consumer.set_acknowledgement_commit_callback(acknowledged)
        self._consumer.subscribe(topics)
        self._thread: threading.Thread | None = None
        self._asked = threading.Semaphore(0)
        self._idle = threading.Event()
        self._idle.set()
        self._ending = False
        self._found: list[Any] = []
        self._failure: BaseException | None = None

    # ---- records

    def poll(self) -> list[Any]:
        """Messages that are there. All that were given before must be answered. Raises KafkaException."""
        if not self._idle.is_set():
            return []
        self.signal.clear()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        found, self._found = self._found, []
        return found or self._polled(0.0)

    def _polled(self, seconds: float) -> list[Any]:
        found: list[Any] = self._consumer.poll(seconds).records()
        if found:
            self._join_until = 0.0
        return found

    def ask(self) -> None:
        """Have the thread wait for records; the signal tells when it has some, or a slice of time is over."""
        if not self._idle.is_set() or self._found or self._failure is not None:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="logflume-queue", daemon=True)
            self._thread.start()
        self._idle.clear()
        self._asked.release()

    def _serve(self) -> None:
        while True:
            self._asked.acquire()
            if self._ending:
                return
            try:
                self._found = self._polled(SLICE_S)
            except BaseException as error:  # raised where the records are asked for
                self._failure = error
            self._idle.set()
            self.signal.wake()

    @property
    def is_joining(self) -> bool:
        """True until the group has given it partitions, and the first records could have come."""
        now = time.monotonic()
        if self._steady_at is not None and now > self._steady_at + _FIRST_FETCH_S:
            self._join_until = 0.0
        return now < self._join_until

    def _take_statistics(self, text: str) -> None:
        if self._steady_at is None:
            group = json.loads(text).get("cgrp") or {}
            if group.get("assignment_size") and group.get("join_state") == "steady":
                self._steady_at = time.monotonic()

    # ---- answers

    def acknowledge(self, topic: str, number: int, offset: int, answer: int) -> None:
        """Sent by the next poll or commit. Raises confluent_kafka's IllegalStateException."""
        self._settle()
        self._consumer.acknowledge_offset(topic, number, offset, answer)

    def send(self) -> None:
        """Have the answers given so far sent, before the next poll."""
        self._settle()
        self._consumer.commit_async()

    def commit(self, seconds: float) -> dict[Any, Any]:
        """What the brokers say of the answers that were not sent yet, by partition. Raises KafkaException."""
        self._settle()
        found: dict[Any, Any] = self._consumer.commit_sync(seconds)
        return found

    def _settle(self) -> None:
        """A slice under way in the thread has the consumer until it is over."""
        self._idle.wait()

    # ---- life

    def close(self) -> None:
        """Send the answers given, and leave the group. Raises KafkaException."""
        self._settle()
        self._ending = True
        if self._thread is not None:
            self._asked.release()
            self._thread.join()
        try:
            self._consumer.close()
        finally:
            self.signal.close()

    def abandon(self) -> None:
        """In a forked child, which has none of its threads."""
        keep_for_ever(self._consumer)


class _Logger:
    """librdkafka's log lines, as those of the other connections."""

    def log(self, level: int, text: str, *arguments: object) -> None:
        """As logging.Logger.log."""
        from logflume.observe import get_logger

        logger = get_logger("logflume.kafka")
        say = logger.info if level >= 20 else logger.debug
        say("librdkafka", said=text % arguments)


def _note_error(error: Any) -> None:
    from logflume.observe import get_logger

    get_logger("logflume.kafka").info("cluster_trouble", code=error.code(), said=error.str())
