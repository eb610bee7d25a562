"""From what a consumer asked for to the partitions it reads: by itself, or as a member of a group of the cluster."""

from __future__ import annotations

import time
from collections import deque

from logflume.client.cluster.failures import Fail
from logflume.client.consumer.places import names_or_pattern
from logflume.client.consumer.position_keeper import PositionKeeper
from logflume.errors import CommitFailed, UnknownTopicOrPartition, UnsupportedByEngine
from logflume.types import OffsetAndMetadata, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from re import Pattern

    from logflume.client.cluster.assignment import ClusterAssignment
    from logflume.client.cluster.cluster import Cluster
    from logflume.config import ConsumerConfig

    Listener = Callable[[list[TopicPartition]], None]

__all__ = ["ClusterSubscription"]

_METADATA_S = 5.0  # how often new topics and partitions are looked for
_PAUSE_S = 1.0
_JOIN_S = 6.0  # Kafka lets a new group wait 3 s for more members (group.initial.rebalance.delay.ms)


class ClusterSubscription(PositionKeeper):
    """Not thread-safe: the consumer's guard stands before it. See client.consumer.subscription.Subscription."""

    def __init__(
        self,
        cluster: Cluster,
        config: ConsumerConfig,
        assignment: ClusterAssignment,
        give_back: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        super().__init__(config, assignment, give_back)
        self._assignment = assignment
        self._names: set[str] = set()
        self._pattern: Pattern[str] | None = None
        self._manual = False
        self._member = False
        self._busy = False
        self._joining = False
        self._listeners: tuple[Listener | None, Listener | None, Listener | None] = (None,) * 3
        self._changes: deque[tuple[bool, list[TopicPartition]]] = deque()
        self._looked = -_METADATA_S

    def topics(self) -> set[str]:
        """Topics subscribed to, as far as they are known."""
        return set(self._names)

    # ---- what is asked for

    def subscribe(
        self,
        topics: tuple[str | Iterable[str] | Pattern[str], ...],
        on_assigned: Listener | None,
        on_revoked: Listener | None,
        on_lost: Listener | None,
    ) -> None:
        """Names or one pattern, instead of what was before. Raises UnknownTopicOrPartition for an unknown name."""
        names, pattern = names_or_pattern(topics)
        for name in names:
            self._count(name)
        if self._manual or not self._member:
            self.unsubscribe()
        self._names, self._pattern, self._manual = names, pattern, False
        self._listeners = on_assigned, on_revoked, on_lost
        if self._config.group_id is not None and names:
            self._join()
        self._looked = -_METADATA_S
        if self._look_is_due():
            self._look()

    def _join(self) -> None:
        self._assignment.handle.subscribe(sorted(self._names))
        self._joining = not self._member
        self._member = True

    def _count(self, name: str) -> int:
        return self._cluster.count_partitions(self._assignment.handle, name)

    def assign(self, wheres: list[TopicPartition]) -> None:
        """Exactly these, from the group's committed offsets where there is a group."""
        counts = {name: self._count(name) for name in {where.topic for where in wheres}}
        for where in wheres:
            if not 0 <= where.partition < counts[where.topic]:
                raise UnknownTopicOrPartition(topic=where.topic, partition=where.partition)
        if not self._manual:
            self.unsubscribe()
        self._manual = True
        have = self._assignment.partitions()
        self._assignment.stop(have - set(wheres))
        self._add([where for where in wheres if where not in have])

    def _add(self, wheres: list[TopicPartition]) -> None:
        if wheres:
            self._assignment.add(self._committed(wheres))
            self._assignment.start(wheres)
            self._assignment.await_first(wheres)

    def unsubscribe(self, *, commit: bool = True) -> None:
        """Nothing any more."""
        if self._member:
            # What came up and was not taken over yet is of no interest any more.
            if commit:
                self.auto_commit(force=True)
            owned = sorted(self._assignment.partitions())
            on_revoked = self._listeners[1]
            if owned and on_revoked is not None:
                on_revoked(owned)
            self._member = self._joining = False
            self._changes.clear()
        self._names, self._pattern, self._manual = set(), None, False
        self._assignment.disconnect()

    # ---- keeping up

    @property
    def in_group(self) -> bool:
        """True when a group shares out the partitions."""
        return self._member

    def is_due(self) -> bool:
        """True when due() or an automatic commit may have something to do: see Assignment.has_news."""
        return bool(self._changes) or self._look_is_due()

    def due(self) -> Callable[[], None] | None:
        """What a group's changes ask for now, to be called; None when nothing."""
        if self._busy:
            return None  # a listener calls its consumer
        self._take_news()
        # All that may wait for the network is here, none of it in a round of a poll: logflume.aio runs it in a thread.
        work = self._changes or self._assignment.out_of_range or self._joining
        return self._catch_up if work or self._look_is_due() else None

    def _take_news(self) -> None:
        if self._assignment.has_news_of_group:
            for revoked, places in self._assignment.handle.take_rebalances():
                self._changes.append((revoked, [TopicPartition(*place) for place in places]))

    def _catch_up(self) -> None:
        self._busy = True
        try:
            if self._joining:
                # As in a directory, where a group's partitions are there with the first poll.
                self._joining = False
                self._assignment.await_group(_JOIN_S)
                self._take_news()
            self._take_over()
            self._assignment.reset_out_of_range()
            if self._look_is_due():
                self._look()
        finally:
            self._busy = False

    def _take_over(self) -> None:
        while self._changes:
            # It stays where it is until it is answered: an error here comes again with the next call.
            revoked, wheres = self._changes[0]
            if revoked:
                self._revoke(wheres)
            else:
                self._take(wheres)
            self._changes.popleft()

    def _take(self, wheres: list[TopicPartition]) -> None:
        self._assignment.add(self._committed(wheres))
        if wheres and self._listeners[0] is not None:
            self._listeners[0](wheres)  # which may seek: nothing is fetched yet
        self._assignment.start(wheres, eager=self._assignment.is_eager)
        self._assignment.await_first(wheres)

    def _revoke(self, wheres: list[TopicPartition]) -> None:
        self._give_back()
        _, on_revoked, on_lost = self._listeners
        if self._assignment.handle.is_lost:
            listener = on_lost or on_revoked
            if listener is not None and wheres:
                listener(wheres)
        else:
            if on_revoked is not None and wheres:
                on_revoked(wheres)
            self.commit_positions(wheres)
        self._assignment.stop(wheres, eager=self._assignment.is_eager)

    def keep_up(self) -> float:
        """Called at the start of each poll, after what was due; returns for how long the next wait may last."""
        if self._config.group_id is not None:
            self.auto_commit()
        return _PAUSE_S

    def _look_is_due(self) -> bool:
        grouped = self._config.group_id is not None and self._pattern is None
        if self._manual or grouped or not (self._names or self._pattern):
            return False
        return time.monotonic() - self._looked >= _METADATA_S

    def _look(self) -> None:
        """Topics that match the pattern, and partitions that were added."""
        self._looked = time.monotonic()
        if self._pattern is not None:
            internal = not self._config.exclude_internal_topics
            known = self._cluster.topics(internal=internal)
            names = {name for name in known if self._pattern.fullmatch(name)}
            changed, self._names = names != self._names, names
            if self._config.group_id is not None:
                if names and (changed or not self._member):
                    self._join()
                return
        wanted = {
            TopicPartition(name, number)
            for name in self._names
            for number in range(self._count(name))
        }
        have = self._assignment.partitions()
        if wanted != have:
            self._give_back()
            self._assignment.stop(have - wanted)
            self._add(sorted(wanted - have))

    # ---- the group's stored positions

    def _committed(self, wheres: list[TopicPartition]) -> dict[TopicPartition, int | None]:
        if self._config.group_id is None or not wheres:
            return dict.fromkeys(wheres)
        found = self._ask_committed(wheres)
        return {where: None if entry is None else entry.offset for where, entry in found.items()}

    def _ask_committed(
        self, wheres: list[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata | None]:
        out: dict[TopicPartition, OffsetAndMetadata | None] = {}
        timeout_ms = self._config.default_api_timeout_ms
        for row in self._assignment.handle.committed(wheres, timeout_ms):
            topic, number, offset, code, note = row
            if code:
                fail = Fail(topic=topic, partition=number, group=self._config.group_id)
                raise fail(code, "OffsetFetch")
            entry = None if offset < 0 else OffsetAndMetadata(int(offset), note)
            out[TopicPartition(topic, number)] = entry
        return out

    def committed(self, where: TopicPartition) -> OffsetAndMetadata | None:
        """The group's stored position of a partition."""
        return self._ask_committed([where])[where]

    def commit(self, offsets: dict[TopicPartition, OffsetAndMetadata], *, durable: bool) -> None:
        """Store positions. Raises CommitFailed for partitions that this member does not own (any more)."""
        group = self._config.group_id
        assert group is not None
        if self._member:
            lost = sorted(set(offsets) - self._assignment.partitions())
            if lost:
                raise CommitFailed(
                    group=group, reason=f"{lost[0]} is not assigned to this member (any more)"
                )
        if not offsets:
            return
        rows = [(*where, entry.offset, entry.metadata) for where, entry in offsets.items()]
        answers = self._assignment.handle.commit(rows, durable)
        self._committed_at = time.monotonic()
        for topic, number, _, code, _ in answers or ():
            if code:
                raise Fail(topic=topic, partition=number, group=group)(code, "OffsetCommit")

    def check_commit(
        self, offsets: dict[TopicPartition, OffsetAndMetadata], *, durable: bool
    ) -> None:
        """Its offsets live on the cluster: no transaction of a directory can hold them."""
        raise UnsupportedByEngine(
            what="a transaction of a directory with offsets of a cluster",
            instead="send_offsets() of a producer of the same cluster",
        )

    def close(self, *, commit: bool = True) -> None:
        """Store positions where that is automatic, and leave the group."""
        if commit and self._config.group_id is not None and self._manual:
            self.auto_commit(force=True)
        self.unsubscribe(commit=commit)
