"""The group coordinator in a broker: its log, its timers, the directory's topics."""

from __future__ import annotations

import asyncio
from uuid import UUID

from logflume.config.names import INTERNAL_TOPICS, OFFSETS_TOPIC, check_group
from logflume.coordinator.group_claims import GroupClaims
from logflume.coordinator.group_configs import GroupConfigs
from logflume.coordinator.group_context import TopicFacts
from logflume.coordinator.group_coordinator import GroupCoordinator
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.coordinator.group_files import describe_group, group_file_path, list_groups
from logflume.coordinator.group_loading import GroupLoader
from logflume.coordinator.group_overview import GroupOverview, ListedGroup
from logflume.coordinator.group_settings import GroupSettings
from logflume.coordinator.offset_store import OffsetStore
from logflume.coordinator.offsets_schema import partition_for
from logflume.coordinator.offsets_topic import offsets_partitions
from logflume.errors import GroupNotFound, InvalidGroup, LogflumeError, UnknownTopicOrPartition
from logflume.log.ids import NO_ID, decode_id
from logflume.observe import get_logger
from logflume.types import OffsetAndMetadata, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from typing import ParamSpec, TypeVar

    from logflume.broker.server import Broker
    from logflume.broker.topics import Topics
    from logflume.coordinator.classic_group import ClassicGroup
    from logflume.coordinator.consumer_group import ConsumerGroup
    from logflume.coordinator.group_context import CommitRequest
    from logflume.coordinator.group_description import GroupDescription
    from logflume.coordinator.share_group import ShareGroup
    from logflume.log.topic_store import TopicEntry

    P = ParamSpec("P")
    R = TypeVar("R")
    T = TypeVar("T")

__all__ = ["LOCK_TIMEOUT_S", "GroupService"]

_log = get_logger(__name__)
_TURN = 64  # committed offsets looked at in one go
# Groups are written from the event loop. Who holds such a lock for longer is stopped, and all clients would wait.
LOCK_TIMEOUT_S = 0.02


class _Catalog:
    """The directory's topics, as assignors see them."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._seen: Mapping[str, TopicEntry] | None = None
        self._facts: dict[str, TopicFacts] = {}

    def topics(self) -> Mapping[str, TopicFacts]:
        entries = self._topics.entries()
        if entries is not self._seen:
            self._facts = {
                name: TopicFacts(UUID(bytes=decode_id(topic_id)), entry.partitions)
                for name, entry in entries.items()
                if not entry.deleting and name not in INTERNAL_TOPICS
                # The consumer protocol names topics by id only; one without id cannot be assigned by it.
                if (topic_id := self._topics.id_of(name)) != NO_ID
            }
            self._seen = entries
        return self._facts


class GroupService:
    """One for each broker. Belongs to its event loop.

    A partition of `__consumer_offsets` is read when a group of it is first asked for, in a thread, so
    that a broker starts without reading any.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._directory = broker.directory
        self._count = 0
        self._stores: dict[int, OffsetStore] = {}
        self._loading: dict[int, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due_ms: int | None = None
        config = broker.config
        self.configs = GroupConfigs(self._directory.path)
        self.coordinator = GroupCoordinator(
            store_of=self._store,
            load=self._load_group,
            claims=GroupClaims(self._path, broker.clock.monotonic, lock_timeout_s=LOCK_TIMEOUT_S),
            catalog=_Catalog(broker.topics),
            now_ms=self._now_ms,
            wall_ms=broker.clock.ms,
            config_of=self.configs.of,
            settings=GroupSettings(
                initial_rebalance_delay_ms=config.group_initial_rebalance_delay_ms,
                min_session_timeout_ms=config.group_min_session_timeout_ms,
                max_session_timeout_ms=config.group_max_session_timeout_ms,
                max_size=config.group_max_size,
                consumer_session_timeout_ms=config.group_consumer_session_timeout_ms,
                consumer_heartbeat_interval_ms=config.group_consumer_heartbeat_interval_ms,
                consumer_max_size=config.group_consumer_max_size,
                consumer_assignors=tuple(config.group_consumer_assignors),
                share_session_timeout_ms=config.group_share_session_timeout_ms,
                share_heartbeat_interval_ms=config.group_share_heartbeat_interval_ms,
                share_max_size=config.group_share_max_size,
                offset_metadata_max_bytes=config.offset_metadata_max_bytes,
            ),
        )
        self.overview = GroupOverview(self.coordinator)

    def _now_ms(self) -> int:
        return int(self._broker.clock.monotonic() * 1000)

    # Asking

    async def ask(
        self, group: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a method of the coordinator once the group is known. Raises GroupRefused, nothing else.

        What the log refuses becomes COORDINATOR_NOT_AVAILABLE, which clients try again.
        """
        try:
            await self.ready(group)
            if self.coordinator.let_go(group):
                await self._restore(group)
            return function(*args, **kwargs)
        except InvalidGroup as error:
            raise GroupRefused(GroupError.INVALID_GROUP_ID, str(error)) from error
        except LogflumeError as error:
            _log.error("group request failed", group=group, why=str(error))
            raise GroupRefused(GroupError.COORDINATOR_NOT_AVAILABLE, str(error)) from error
        finally:
            self._wake()

    async def answer(
        self, group: str, function: Callable[[R, Callable[[T], None]], None], request: R
    ) -> T:
        """As `ask`, for a method that answers through a reply, now or later. Cancelled when the client goes away."""
        future: asyncio.Future[T] = self._broker.loop.create_future()

        def reply(answer: T) -> None:
            if not future.done():
                future.set_result(answer)

        await self.ask(group, function, request, reply)
        return await future

    async def place_of(self, group: str) -> TopicPartition:
        """Where a group's offsets are kept. Raises GroupRefused."""
        return await self.ask(group, lambda: TopicPartition(OFFSETS_TOPIC, self._number(group)))

    def encode_commit(
        self, request: CommitRequest, offsets: Mapping[TopicPartition, OffsetAndMetadata]
    ) -> tuple[list[bytes], list[bytes | None]]:
        """Keys and values of a commit within a transaction, if it may be made. For `ask`."""
        self.coordinator.check_commit(request)
        return self._store(request.group).encode(
            request.group, offsets, now_ms=self._broker.clock.ms()
        )

    def undecided(self, group: str, wanted: Iterable[TopicPartition]) -> set[TopicPartition]:
        """Partitions in which an open transaction may move the group. For `ask`."""
        store = self._store(group)
        return {where for where in wanted if store.is_undecided(group, where)}

    def offsets(
        self, group: str, member_id: str | None, epoch: int, wanted: Iterable[TopicPartition] | None
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        """What a group committed (None: everything), for this member or (None, -1) for anybody. For `ask`."""
        self.coordinator.check_fetch(group, member_id, epoch)
        store = self.coordinator.store(group)
        if wanted is None:
            return store.offsets(group)
        found = {where: store.committed(group, where) for where in wanted}
        return {where: entry for where, entry in found.items() if entry is not None}

    async def all_offsets(self) -> dict[tuple[str, TopicPartition], int]:
        """Where each group stands, of those in memory: call `all_groups` before."""
        found = {}
        for store in list(self._stores.values()):
            for group, where, entry in store.everything():
                found[group, where] = entry.offset
                if len(found) % _TURN == 0:
                    await asyncio.sleep(0)  # others have their turn
        return found

    def delete_offsets(
        self, group: str, partitions: Mapping[str, Iterable[int]]
    ) -> Collection[str]:
        """Forget offsets but those of topics that are read, which are returned. For `ask`."""
        in_use = self.overview.subscribed_topics(group)
        if in_use is None:
            raise GroupRefused(GroupError.NON_EMPTY_GROUP)
        store = self.coordinator.store(group)
        if group not in self.coordinator.machines and not store.offsets(group):
            raise GroupRefused(GroupError.GROUP_ID_NOT_FOUND)
        gone = [
            TopicPartition(topic, number)
            for topic, numbers in partitions.items()
            if topic not in in_use
            for number in numbers
        ]
        store.delete(group, gone, durable=False)
        return in_use

    async def embedded(self, group: str) -> GroupDescription | None:
        """A group of embedded members, None when it never had any. Raises GroupRefused."""
        try:
            await self.ready(group)
            now = self._broker.clock.monotonic()
            return await self._in_thread(describe_group, self._path(group), group, now=now)
        except GroupNotFound:
            return None
        except LogflumeError as error:
            raise GroupRefused(GroupError.COORDINATOR_NOT_AVAILABLE, str(error)) from error

    async def all_groups(self, shared: Mapping[str, bool]) -> list[ListedGroup]:
        """All groups of the directory; `shared` as `ShareAdmin.with_state` has them. Raises GroupRefused."""
        try:
            with_offsets = await self.ready_all()
            now = self._broker.clock.monotonic()
            embedded = await self._in_thread(list_groups, self._directory.path, now=now)
        except LogflumeError as error:
            raise GroupRefused(GroupError.COORDINATOR_NOT_AVAILABLE, str(error)) from error
        return self.overview.groups(with_offsets, embedded, shared)

    async def ready(self, group: str) -> None:
        """Have the group's records in memory. Raises GroupRefused, InvalidGroup, LogflumeError."""
        if not group:
            raise GroupRefused(GroupError.INVALID_GROUP_ID)
        check_group(group)
        if not self._count:
            self._count = await self._in_thread(offsets_partitions, self._directory)
        await self._load(partition_for(group, self._count))

    async def ready_all(self) -> list[str]:
        """Have all groups in memory; the names of those that committed."""
        try:
            count = self._broker.topics.get(OFFSETS_TOPIC).partitions
        except UnknownTopicOrPartition:
            return []  # nobody was ever in a group here
        self._count = count
        for number in range(count):
            await self._load(number)
        return [group for number in range(count) for group in self._stores[number].groups()]

    async def _restore(self, group: str) -> None:
        """Read a group anew whose change was not stored, off the event loop: its partition may be large."""
        stored = await self._in_thread(self._load_group, group)
        self.coordinator.restore(group, stored)

    async def _load(self, number: int) -> None:
        if number in self._stores:
            return
        task = self._loading.get(number)
        if task is None:
            task = self._loading[number] = asyncio.ensure_future(self._read(number))
            task.add_done_callback(lambda _: self._loading.pop(number, None))
        # A client that goes away while it waits does not end the loading for the others.
        await asyncio.shield(task)

    async def _read(self, number: int) -> None:
        store, groups = await self._in_thread(self._read_partition, number)
        self._stores[number] = store
        self.coordinator.adopt(groups.values())
        self._wake()

    def _read_partition(
        self, number: int
    ) -> tuple[OffsetStore, dict[str, ClassicGroup | ConsumerGroup | ShareGroup]]:
        loader = GroupLoader()
        store = OffsetStore(
            self._directory.partition(OFFSETS_TOPIC, number),
            on_other=loader.take,
            lock_timeout_s=LOCK_TIMEOUT_S,
        )
        store.refresh()
        store.on_other = None  # from here on only this broker writes of its groups
        return store, loader.groups()

    def _load_group(self, group: str) -> ClassicGroup | ConsumerGroup | ShareGroup | None:
        return self._read_partition(partition_for(group, self._count))[1].get(group)

    def _store(self, group: str) -> OffsetStore:
        return self._stores[self._number(group)]

    def _number(self, group: str) -> int:
        return partition_for(group, self._count)

    def _path(self, group: str) -> str:
        return group_file_path(self._directory.path, group, self._count)

    def _in_thread(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        return self._broker.loop.run_in_executor(
            self._broker.threads, lambda: function(*args, **kwargs)
        )

    # Time

    def _wake(self) -> None:
        """Have the coordinator called when its next deadline comes."""
        due_ms = self.coordinator.context.timers.next_due()
        if due_ms == self._due_ms:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due_ms = due_ms
        if due_ms is not None:
            delay_s = max(due_ms - self._now_ms(), 0) / 1000
            self._timer = self._broker.loop.call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._due_ms = None
        try:
            self.coordinator.tick()
        finally:
            self._wake()

    async def stop(self) -> None:
        """The broker stops: its members may go on with the next one, groups are free for others."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.coordinator.close()
