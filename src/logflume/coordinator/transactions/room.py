"""The one place where a directory's transactions are decided: mutex, replica of the state log, who lives."""

from __future__ import annotations

import contextlib
import os
import threading
import time

from logflume._native.transactions import TransactionPage
from logflume.config.names import TRANSACTIONS_TOPIC
from logflume.errors import TopicExists, UnknownTopicOrPartition
from logflume.log import layout
from logflume.log.checkpoints import read_epochs
from logflume.log.presence import Presence

from .holding import Holding
from .recovery import end_left_open, replay
from .redo_point import RedoPoint
from .state_log import StateLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from logflume._native.partition import Partition
    from logflume.log.directory import LogDirectory
    from logflume.types import TopicPartition

    from .entry import Entry

__all__ = ["Room", "wall_clock_ms"]

_HEADER_ROOM = 1 << 20  # of a commit's record, beside its batches: names of partitions


def wall_clock_ms() -> int:
    """Now, in ms since 1970."""
    return time.time_ns() // 1_000_000


class Room:
    """One open directory's part in its coordination. Thread-safe; other processes take part through the files.

    What it needs is opened when it is first used. A forked child calls `abandon`.
    """

    def __init__(
        self, directory: LogDirectory, *, now_ms: Callable[[], int] = wall_clock_ms
    ) -> None:
        self.directory = directory
        self.now_ms = now_ms
        self.presence = Presence(directory.path)
        self.held = Holding(directory.path, self.known, self._now)
        self._opening = threading.RLock()
        self._page: TransactionPage | None = None
        self._log: StateLog | None = None
        self._redo_points: list[RedoPoint] = []
        self.coordinator_epoch = 0
        self.told: dict[str, float] = {}  # what cannot be settled, and when that was last logged

    def _now(self) -> int:
        return self.now_ms()  # which tests replace

    # ---- opening

    @property
    def is_used(self) -> bool:
        """Whether anybody ever began a transaction here."""
        page = os.path.join(self.directory.path, layout.TRANSACTIONS_PAGE_FILE)
        return os.path.exists(page) or TRANSACTIONS_TOPIC in self.directory.topics(internal=True)

    @property
    def page(self) -> TransactionPage | None:
        """What `open` gave; None before. Never waits."""
        return self._page

    def open(self) -> TransactionPage:
        """The page that all processes share. Whoever opens it first puts right what a power loss left."""
        page = self._page
        if page is not None:
            return page
        with self._opening:
            if self._page is None:
                partitions = self._state_partitions()
                self._redo_points = [RedoPoint(p.path) for p in partitions]
                self._log = StateLog(partitions, [point.offset for point in self._redo_points])
                epochs = read_epochs(os.path.join(partitions[0].path, layout.LEADER_EPOCH_FILE))
                self.coordinator_epoch = epochs[-1].epoch if epochs else 0
                self._page = TransactionPage(
                    os.path.join(self.directory.path, layout.TRANSACTIONS_PAGE_FILE),
                    self.directory.lock_fd,
                    recover=self._recover,
                )
            return self._page

    def _recover(self) -> None:
        assert self._log is not None
        replay(self, self._log, [point.offset for point in self._redo_points])
        # Which committed ones were hidden behind open ones is known no more after a power loss: so none stays open.
        # Where only a Kafka was, its clients may come back for theirs.
        if os.path.exists(os.path.join(self.directory.path, layout.PRESENCE_FILE)):
            end_left_open(self, self._log)

    def _state_partitions(self) -> list[Partition]:
        directory = self.directory
        if TRANSACTIONS_TOPIC not in directory.topics(internal=True):
            config = directory.config
            with contextlib.suppress(TopicExists):  # another process was first
                directory.create_topic(
                    TRANSACTIONS_TOPIC,
                    partitions=config.transaction_state_log_num_partitions,
                    config={
                        "cleanup.policy": "compact",
                        "max.message.bytes": config.transaction_redo_max_bytes + _HEADER_ROOM,
                        "segment.bytes": config.transaction_state_log_segment_bytes,
                    },
                )
        return directory.partitions(TRANSACTIONS_TOPIC)

    # ---- deciding

    @contextlib.contextmanager
    def locked(self) -> Iterator[StateLog]:
        """The mutex of all deciders, and the replica, up to date. Raises LockTimeout."""
        page = self.open()
        assert self._log is not None
        somebody_died = page.lock(self.directory.config.lock_timeout_ms / 1000)
        try:
            self._log.refresh()
            if somebody_died:
                # Readers see nothing new until what he wrote is whole. The rest of an abort is found in partitions.
                for entry in self._log.entries():
                    if entry.state.is_decided:
                        self.finish(self._log, entry)
                self.let_go()
                page.settled()
            yield self._log
        finally:
            page.unlock()

    def finish(self, log: StateLog, entry: Entry) -> Entry:
        """Write the markers of a decided transaction, where they are missing. The mutex is held.

        Anybody may: the decision is made durable first, and nothing can change it any more.
        """
        from .entry import State

        log.stored(entry).sync()
        commit = entry.state is State.PREPARE_COMMIT
        self.mark(self.known(entry.partitions), entry.producer_id, entry.producer_epoch, commit)
        done = entry.completed(self.now_ms())
        log.append(done)
        return done

    def mark(
        self,
        partitions: Iterable[Partition],
        producer_id: int,
        epoch: int,
        commit: bool,
        coordinator_epoch: int | None = None,
    ) -> list[int]:
        """End a transaction in all these partitions, at once for every reader. The mutex is held."""
        return self.held.end(
            self._page,  # none yet when the first opener recovers, alone
            sorted(partitions, key=lambda p: (p.topic, p.partition)),
            producer_id=producer_id,
            producer_epoch=epoch,
            coordinator_epoch=self.coordinator_epoch
            if coordinator_epoch is None
            else coordinator_epoch,
            commit=commit,
        )

    def let_go(self) -> None:
        """Show what need not be held any more, where that was not a transaction's end here. The mutex is held."""
        if self.held.is_used(self._page):
            self.mark((), 0, 0, commit=False)

    def known(self, places: Iterable[TopicPartition]) -> list[Partition]:
        """Those of these partitions that are still there."""
        found = []
        for place in places:
            with contextlib.suppress(UnknownTopicOrPartition):
                found.append(self.directory.partition(*place))
        return found

    # ---- life

    @property
    def redo_points(self) -> list[RedoPoint]:
        """Of each partition of the state log: behind it, a power loss may ask for a commit's batches."""
        return self._redo_points

    def close(self) -> None:
        """Let go of all. What this directory committed is on disk by then, or stays to be redone."""
        with self._opening:
            if self._page is not None:
                try:
                    self._note_synced()
                finally:
                    self._page.close()
                    self._page = None
                    self._log = None
                    self.presence.close()

    def _note_synced(self) -> None:
        """Spare the next opener the commits whose partitions are on disk."""
        from .checkpoint import advance

        with self.locked() as log:
            advance(self, log)

    def abandon(self) -> None:
        """In a forked child: the parent's locks and maps are left alone; opened anew at the next use."""
        self._opening = threading.RLock()
        self.presence.forget()
        if self._page is not None:
            self._page.abandon()
            self._page = None
            self._log = None
