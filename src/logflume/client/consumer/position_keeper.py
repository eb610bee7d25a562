"""Storing where a consumer stands for its group: with enable.auto.commit by itself, and when partitions go."""

from __future__ import annotations

import time

from logflume.types import OffsetAndMetadata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    from logflume.config import ConsumerConfig
    from logflume.types import TopicPartition

    class Positions(Protocol):
        """What is asked of an assignment."""

        def partitions(self) -> set[TopicPartition]: ...
        def positions(self) -> dict[TopicPartition, int]: ...
        def is_gone(self, where: TopicPartition) -> bool: ...


__all__ = ["PositionKeeper"]


class PositionKeeper:
    """What the subscriptions of all engines do alike. Not thread-safe: the consumer's guard stands before it.

    `give_back` is called before positions are looked at: records fetched ahead go back first.
    """

    def __init__(
        self, config: ConsumerConfig, read: Positions, give_back: Callable[[], None]
    ) -> None:
        self._config = config
        self._read = read
        self._give_back = give_back
        self._committed_at = time.monotonic()

    def due(self) -> Callable[[], None] | None:
        """What a group's changes ask for now, to be called; None when nothing."""
        raise NotImplementedError

    def settle(self) -> None:
        """Before a poll, or a seek to what is not assigned (yet): takes over what a group has changed."""
        job = self.due()
        if job is not None:
            job()

    def commit(self, offsets: dict[TopicPartition, OffsetAndMetadata], *, durable: bool) -> None:
        """Store positions. Raises CommitFailed for partitions that this member does not own (any more)."""
        raise NotImplementedError

    def commit_positions(self, wheres: Iterable[TopicPartition], *, durable: bool = True) -> None:
        """Store where these partitions stand now, with enable.auto.commit. Those of deleted topics stand nowhere."""
        if not self._config.enable_auto_commit:
            return
        self._give_back()
        positions = self._read.positions()
        there = [w for w in wheres if w in positions and not self._read.is_gone(w)]
        self.commit({w: OffsetAndMetadata(positions[w]) for w in there}, durable=durable)

    def auto_commit(self, *, force: bool = False) -> None:
        """As commit_positions of all, every auto.commit.interval.ms; with `force` now, and on disk."""
        if not self._config.enable_auto_commit:
            return
        now = time.monotonic()
        if force or now - self._committed_at >= self._config.auto_commit_interval_ms / 1000:
            self._committed_at = now
            self.commit_positions(self._read.partitions(), durable=force)
