"""A queue: the records of topics, each handed to one of the group's workers until one of them accepts it."""

from __future__ import annotations

import time
from collections import deque

from logflume.client.one_thread import OneThread
from logflume.client.queue.answers import OpenAnswers
from logflume.closing import Closing
from logflume.config import QueueConfig
from logflume.config.names import check_group
from logflume.coordinator.share.states import AcknowledgeType
from logflume.errors import AcknowledgeFailed, Closed
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from logflume._native.queue_record import QueueRecord
    from logflume.client.log import Log
    from logflume.client.queue.answers import Answers, Outcome
    from logflume.errors import LogflumeError
    from logflume.types import TopicPartition

    Listener = Callable[[TopicPartition, LogflumeError | None], None]

__all__ = ["Queue"]

_FOREVER = 1e9

_logger = get_logger(__name__)


class Queue(Closing, OneThread):
    """A member of a share group (KIP-932): takes records that no other member has, and says what became of each.

    A record that is delivered is locked for `share.record.lock.duration.ms`. Until then it is to be answered:
    `accept` (done), `release` (again, by anybody), `reject` (never again), `renew` (still at it: the lock begins
    anew). What was not answered when the next poll or commit comes is accepted; with `acknowledgement="explicit"`
    such a poll raises UnansweredRecords instead. What was delivered `group.share.delivery.count.limit` times and never
    accepted is archived. Records of a member that closes or dies go to others at once.

    One thread at a time: a second one gets ConcurrentAccess. `close()` and `wakeup()` may be called from any thread.
    """

    def __init__(
        self,
        log: Log,
        topics: str | Iterable[str],
        group: str,
        on_acknowledged: Listener | None,
        options: Mapping[str, object],
    ) -> None:
        super().__init__("queue", log.path)
        self.config = log.engine.parse(QueueConfig, {**options, "group.id": check_group(group)})
        self.group = group
        self._topics = [topics] if isinstance(topics, str) else list(topics)
        if not self._topics:
            raise ValueError("a queue needs a topic")
        self._log = log
        self._on_acknowledged = on_acknowledged
        self._woken = False
        self._open = OpenAnswers(
            group, explicit=self.config.share_acknowledgement_mode == "explicit"
        )
        self._ahead: deque[QueueRecord] = deque()  # fetched by an iteration, not handed out
        self._core = log.engine.queue_core(self.config, self._topics)

    def topics(self) -> list[str]:
        """The topics that it takes records of."""
        return list(self._topics)

    # ---- taking

    def poll(
        self, timeout: float | None = 0.0, max_records: int | None = None
    ) -> list[QueueRecord]:
        """Records that are there, waiting up to `timeout` seconds (None: without end) for the first; at most
        `max_records` (default: max.poll.records, 500). Empty when the time is over, or after `wakeup()` or `close()`.

        Hands in the answers that were given since the last poll or commit; those that did not count are told to
        `on_acknowledged`. Raises UnansweredRecords, CorruptRecord, Closed, ConcurrentAccess.
        """
        limit = self.config.max_poll_records if max_records is None else max_records
        if limit < 1:
            raise ValueError(f"max_records is {max_records}")
        with self._enter():
            self._open.check()
            self._poll(_FOREVER if timeout is None else timeout, limit)
            return self._hand_out(limit)

    def __iter__(self) -> Iterator[QueueRecord]:
        """Records as they come, waiting for more without end; `close()` from another thread ends it.

        With implicit acknowledgement those handed out before are accepted when more are fetched.
        """
        return self

    def __next__(self) -> QueueRecord:
        while True:
            try:
                with self._enter():
                    if not self._ahead:
                        self._open.check()
                        self._poll(_FOREVER, self.config.max_poll_records)
                    for record in self._hand_out(1):
                        return record
            except Closed:
                raise StopIteration from None
            if self._closing.is_set():
                raise StopIteration

    def _poll(self, timeout: float, max_records: int) -> None:
        deadline = time.monotonic() + timeout
        is_first = True
        while (pause := self._round(max_records, is_first=is_first)) >= 0:
            is_first = False
            left = deadline - time.monotonic()
            if left <= 0:
                if not self._core.is_joining:
                    return
                left = pause
            # Records that this process's producers still gather are what is waited for.
            self._log.publish_open_batches()
            self._core.wait(min(left, pause))

    def _round(self, max_records: int, *, is_first: bool) -> float:
        """Fetch what is there, if nothing is at hand; how many seconds to wait before the next round, negative when
        the poll is over."""
        if self._ahead or self._closing.is_set():
            return -1.0
        if is_first:
            self._hand_in()
        records, pause = self._core.take(max_records)
        self._ahead.extend(records)
        if records or self._woken or self._closing.is_set():
            self._woken = False
            return -1.0
        return pause

    def _hand_out(self, limit: int) -> list[QueueRecord]:
        if limit >= len(self._ahead):
            records = list(self._ahead)
            self._ahead.clear()
        else:
            records = [self._ahead.popleft() for _ in range(limit)]
        self._open.add(records)
        return records

    # For logflume.aio, which waits in its own way:

    def next_round(self, max_records: int, *, is_first: bool) -> float:
        """One round of a poll, without waiting. What is fetched is at hand then, whoever asked for it."""
        with self._enter():
            if is_first:
                self._open.check()
            return self._round(max_records, is_first=is_first)

    @property
    def is_joining(self) -> bool:
        """True as long as the group has not let it in yet: a poll goes on then."""
        return self._core.is_joining

    def hand_out(self, limit: int) -> list[QueueRecord]:
        """Up to `limit` of the records at hand; they are the caller's now."""
        with self._enter():
            return self._hand_out(limit)

    def readers(self) -> list[Any]:
        """What there is to wait for, see logflume.aio's Sleeper."""
        with self._enter():
            return self._core.readers()

    def wakeup(self) -> None:
        """From any thread: end the poll under way (or the next one) early."""
        self._woken = True
        self._core.wake()

    # ---- answering

    def accept(self, record: QueueRecord) -> None:
        """It is done. Handed in by the next poll or commit, as all answers are. Raises InvalidRecordState for a
        record that this queue did not hand out, or that was answered before that."""
        self._give(record, AcknowledgeType.ACCEPT)

    def release(self, record: QueueRecord) -> None:
        """Deliver it again, to any member, unless it was delivered too often. Raises as `accept`."""
        self._give(record, AcknowledgeType.RELEASE)

    def reject(self, record: QueueRecord) -> None:
        """Never deliver it again. Raises as `accept`."""
        self._give(record, AcknowledgeType.REJECT)

    def renew(self, record: QueueRecord) -> None:
        """Still at it: its lock begins anew when this is handed in (KIP-1222). It stays to be answered, and is not
        accepted by itself any more. Raises as `accept`, and UnsupportedByEngine on a cluster."""
        self._core.check_renew()
        self._give(record, AcknowledgeType.RENEW)

    def _give(self, record: QueueRecord, answer: AcknowledgeType) -> None:
        with self._enter():
            self._open.give(record, answer)

    def commit(self) -> None:
        """Make the answers given so far durable: they survive a power loss when this returns. With implicit
        acknowledgement every record handed out and not answered is accepted.

        Raises AcknowledgeFailed when answers did not count in some partition (a lock that ran out, say); those of
        all other partitions do.
        """
        with self._enter():
            self._commit(self._open.take())

    def _commit(self, answers: Answers) -> None:
        outcome = self._tell(self._core.answer(answers, wait=True))
        errors: dict[tuple[str, int], LogflumeError] = {
            where: error for where, error in outcome.items() if error is not None
        }
        if errors:
            raise AcknowledgeFailed(group=self.group, errors=errors)

    def _hand_in(self) -> None:
        for where, error in self._tell(self._core.answer(self._open.take(), wait=False)).items():
            if error is not None and self._on_acknowledged is None:
                _logger.warning(
                    "answers did not count", group=self.group, partition=str(where), why=str(error)
                )

    def _tell(self, outcome: Outcome) -> Outcome:
        if self._on_acknowledged is not None:
            for where, error in outcome.items():
                self._on_acknowledged(where, error)
        return outcome

    # ---- life

    def close(self, timeout: float = 30.0) -> None:
        """Leave the group and end any iteration. From any thread; idempotent.

        Answers given are handed in and durable; what was not answered is released, for others to have at once.
        `timeout`: seconds to wait for a call under way in another thread. Raises AcknowledgeFailed. A `with` block
        closes it also when something failed inside: answers were given for what was done.
        """
        self._end(timeout, self._core.wake, self._leave)

    def _leave(self) -> None:
        try:
            self._commit(self._open.given())
        finally:
            self._ahead.clear()
            self._core.close()

    def abandon(self) -> None:
        """In a forked child: the parent stays the group's member; this copy is closed."""
        super().abandon()
        self._core.abandon()

    def __repr__(self) -> str:
        return (
            f"<Queue of {self._log.path}, group {self.group!r}{', closed' if self._closed else ''}>"
        )
