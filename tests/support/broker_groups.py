"""A group coordinator without broker: a clock that is set by hand, a log that is a list, topics that are a dict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Generic, TypeVar
from uuid import UUID

from logflume.coordinator.classic_member import JoinAnswer, JoinRequest, SyncAnswer
from logflume.coordinator.classic_requests import SyncRequest
from logflume.coordinator.consumer_messages import ConsumerAnswer, ConsumerHeartbeat
from logflume.coordinator.group_claims import GroupClaims
from logflume.coordinator.group_context import TopicFacts
from logflume.coordinator.group_coordinator import GroupCoordinator
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.coordinator.group_loading import GroupLoader
from logflume.coordinator.group_records import IdPartition, Record
from logflume.coordinator.group_settings import GroupSettings
from logflume.coordinator.share_messages import ShareHeartbeat
from logflume.types import OffsetAndMetadata, TopicPartition

A = TypeVar("A")

GROUP = "g"
SESSION_MS = 10_000
REBALANCE_MS = 60_000


class MemoryStore:
    """Stands in for OffsetStore: what was appended, in order."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.committed_offsets: dict[str, dict[TopicPartition, OffsetAndMetadata]] = {}
        self.fail: Exception | None = None

    def append(self, records: Sequence[Record], *, durable: bool) -> None:
        if self.fail is not None:
            raise self.fail
        self.records += records

    def commit(
        self,
        group: str,
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        *,
        durable: bool = True,
        now_ms: int | None = None,
    ) -> None:
        self.committed_offsets.setdefault(group, {}).update(offsets)

    def delete(
        self,
        group: str,
        partitions: Iterable[TopicPartition] | None = None,
        *,
        durable: bool = True,
    ) -> int:
        found = self.committed_offsets.get(group, {})
        gone = [p for p in found if partitions is None or p in set(partitions)]
        for partition in gone:
            del found[partition]
        if not found:
            self.committed_offsets.pop(group, None)
        return len(gone)

    def offsets(self, group: str) -> dict[TopicPartition, OffsetAndMetadata]:
        return dict(self.committed_offsets.get(group, {}))

    def committed(self, group: str, partition: TopicPartition) -> OffsetAndMetadata | None:
        return self.committed_offsets.get(group, {}).get(partition)

    def groups(self) -> list[str]:
        return sorted(self.committed_offsets)


class Catalog:
    """Topics with ids that tell their name's age."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._numbers = count(1)
        self._topics: dict[str, TopicFacts] = {}
        for name, partitions in counts.items():
            self.create(name, partitions)

    def create(self, name: str, partitions: int) -> None:
        self._topics = {**self._topics, name: TopicFacts(UUID(int=next(self._numbers)), partitions)}

    def grow(self, name: str, partitions: int) -> None:
        self._topics = {**self._topics, name: self._topics[name]._replace(partitions=partitions)}

    def delete(self, name: str) -> None:
        self._topics = {n: facts for n, facts in self._topics.items() if n != name}

    def topics(self) -> Mapping[str, TopicFacts]:
        return self._topics

    def name(self, topic_id: UUID) -> str:
        return next(n for n, facts in self._topics.items() if facts.topic_id == topic_id)


class NoClaims(GroupClaims):
    """No embedded consumers anywhere."""

    def __init__(self) -> None:
        super().__init__(lambda group: "", lambda: 0.0)
        self.names: set[str] = set()

    def __contains__(self, group: str) -> bool:
        return group in self.names

    def claim(self, group: str) -> None:
        self.names.add(group)

    def release(self, group: str) -> None:
        self.names.discard(group)

    def has_embedded(self, group: str) -> bool:
        return False

    def delete_file(self, group: str) -> bool:
        return False

    def close(self) -> None:
        self.names.clear()


class World:
    """One coordinator, and the means to pass time and to start it again."""

    def __init__(
        self,
        topics: Mapping[str, int] | None = None,
        settings: GroupSettings | None = None,
        claims: GroupClaims | None = None,
    ) -> None:
        self.now = 1000
        self.settings = settings or GroupSettings(initial_rebalance_delay_ms=0)
        self.store = MemoryStore()
        self.catalog = Catalog(topics if topics is not None else {"t": 4})
        self.claims = claims or NoClaims()
        self.ids = count(1)
        self.coordinator = self._start()

    def _start(self) -> GroupCoordinator:
        coordinator = GroupCoordinator(
            store_of=lambda group: self.store,
            load=lambda group: self.load().get(group),
            claims=self.claims,
            catalog=self.catalog,
            now_ms=lambda: self.now,
            wall_ms=lambda: 1_700_000_000_000 + self.now,
            settings=self.settings,
        )
        coordinator.context.new_id = lambda: f"id{next(self.ids)}"
        return coordinator

    def load(self):
        loader = GroupLoader()
        for key, value in self.store.records:
            loader.take(key, value)
        return loader.groups()

    def restart(self) -> None:
        """The broker dies; another reads the log."""
        self.claims.close()
        self.coordinator = self._start()
        self.coordinator.adopt(self.load().values())

    def pass_time(self, ms: int) -> None:
        """Every timer goes off in its own time."""
        until = self.now + ms
        while (due := self.coordinator.tick()) is not None and due <= until:
            self.now = max(self.now, due)
        self.now = until

    # Classic

    def join(self, member_id: str = "", **fields) -> Waiting[JoinAnswer]:
        plain = {
            "group": GROUP,
            "member_id": member_id,
            "instance_id": None,
            "client_id": "c",
            "client_host": "/127.0.0.1",
            "session_timeout_ms": SESSION_MS,
            "rebalance_timeout_ms": REBALANCE_MS,
            "protocol_type": "consumer",
            "protocols": (("range", b"r"), ("sticky", b"s")),
        }
        request = JoinRequest(**(plain | fields))
        return Waiting(lambda reply: self.coordinator.join(request, reply), JoinAnswer)

    def enter(self, **fields) -> Waiting[JoinAnswer]:
        """Join as a new dynamic member: with the id that the first answer gives."""
        first = self.join(**fields)
        assert first.error is GroupError.MEMBER_ID_REQUIRED
        return self.join(first.answer.member_id, **fields)

    def sync(self, member_id: str, generation: int, **fields) -> Waiting[SyncAnswer]:
        plain = {
            "group": GROUP,
            "member_id": member_id,
            "instance_id": None,
            "generation": generation,
            "protocol_type": "consumer",
            "protocol": None,
            "assignments": {},
        }
        request = SyncRequest(**(plain | fields))
        return Waiting(lambda reply: self.coordinator.sync(request, reply), SyncAnswer)

    def beat(self, member_id: str, generation: int, instance_id: str | None = None) -> GroupError:
        try:
            self.coordinator.heartbeat(GROUP, member_id, instance_id, generation)
        except GroupRefused as refused:
            return refused.error
        return GroupError.NONE

    def stable(self, members: int = 1, **fields) -> list[str]:
        """A stable group of dynamic members, the leader first; each one's assignment is its own name."""
        waiting = [self.enter(**fields)]
        if members > 1:
            leader = waiting[0].answer.member_id  # alone it was a generation at once
            waiting = [self.enter(**fields) for _ in range(members - 1)]
            waiting.append(self.join(leader, **fields))
        ids = [w.answer.member_id for w in waiting]
        leader = waiting[0].answer.leader
        ids.sort(key=lambda member_id: member_id != leader)
        parts = {member_id: member_id.encode() for member_id in ids}
        generation = waiting[-1].answer.generation
        syncs = [self.sync(m, generation, assignments=parts if m == leader else {}) for m in ids]
        assert [s.answer.assignment for s in syncs] == [m.encode() for m in ids]
        return ids

    # Consumer

    def heartbeat(self, member_id: str, epoch: int, **fields) -> ConsumerAnswer:
        plain = {"group": GROUP, "client_id": "c", "client_host": "/127.0.0.1"}
        if epoch == 0:
            plain |= {
                "topics": ("t",),
                "owned": frozenset(),
                "rebalance_timeout_ms": REBALANCE_MS,
            }
        request = ConsumerHeartbeat(member_id=member_id, epoch=epoch, **(plain | fields))
        return self.coordinator.consumer_heartbeat(request)

    def refused(self, member_id: str, epoch: int, **fields) -> GroupError:
        try:
            self.heartbeat(member_id, epoch, **fields)
        except GroupRefused as refused:
            return refused.error
        return GroupError.NONE

    # Share groups

    def share(self, member_id: str, epoch: int, **fields) -> ConsumerAnswer:
        plain: dict = {"group": GROUP, "client_id": "c", "client_host": "/127.0.0.1"}
        if epoch == 0:
            plain["topics"] = ("t",)
        request = ShareHeartbeat(member_id=member_id, epoch=epoch, **(plain | fields))
        return self.coordinator.share_heartbeat(request)

    def share_refused(self, member_id: str, epoch: int, **fields) -> GroupError:
        try:
            self.share(member_id, epoch, **fields)
        except GroupRefused as refused:
            return refused.error
        return GroupError.NONE

    def named(self, partitions: Iterable[IdPartition]) -> set[tuple[str, int]]:
        return {(self.catalog.name(topic_id), number) for topic_id, number in partitions}


class Waiting(Generic[A]):
    """A request and its answer, which may come later. An error that comes at once is an answer too."""

    def __init__(self, ask, answer_type: type[A]) -> None:
        self.answers: list[A] = []
        try:
            ask(self.answers.append)
        except GroupRefused as refused:
            fields = {"member_id": refused.member_id} if answer_type is JoinAnswer else {}
            self.answers.append(answer_type(error=refused.error, **fields))

    @property
    def answer(self) -> A | None:
        assert len(self.answers) <= 1, "answered twice"
        return self.answers[0] if self.answers else None

    @property
    def error(self) -> GroupError | None:
        return None if self.answer is None else self.answer.error
