"""Share groups for operators: where they stand, starting elsewhere, forgetting; those of embedded queues, too."""

from __future__ import annotations

import asyncio

from logflume.broker.groups import GroupService
from logflume.broker.share_groups import ShareService
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.coordinator.share import ShareGroups
from logflume.errors import GroupNotEmpty, GroupNotFound, InvalidGroup, LogflumeError
from logflume.log.ids import decode_id
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import TypeVar
    from uuid import UUID

    from logflume.broker.server import Broker
    from logflume.coordinator.share import SharePartitionInfo, SharingMember
    from logflume.coordinator.share_group import ShareGroup
    from logflume.types import TopicPartition

    T = TypeVar("T")

__all__ = ["ShareAdmin"]

_log = get_logger(__name__)


class ShareAdmin:
    """One for each broker. Belongs to its event loop; what it does runs in threads, one at a time.

    Methods raise GroupRefused, nothing else.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._groups = broker.service(GroupService)
        self._shared = ShareGroups(broker.directory)
        self._turn = asyncio.Lock()

    async def names(self) -> list[str]:
        """All share groups."""
        return await self._ask(self._shared.groups)

    async def with_state(self) -> dict[str, bool]:
        """Share groups that have begun with a partition, and whether each has members beside this broker's clients."""
        found = await self._ask(self._shared.with_state)
        sessions = self._broker.service(ShareService).sessions
        return {group: not living <= {*sessions.of_group(group)} for group, living in found.items()}

    async def queues(self, group: str) -> list[SharingMember]:
        """Members of a group that are no clients of this broker."""
        sessions = self._broker.service(ShareService).sessions
        known = await self._groups.ask(group, self._groups.coordinator.share_group, group)
        clients = {*sessions.of_group(group), *(known.members if known is not None else ())}
        living = await self._ask(lambda: self._shared.members(group))
        return [one for one in living if one.member_id not in clients]

    async def stands(self, group: str) -> dict[TopicPartition, SharePartitionInfo]:
        """Where a group stands in each partition that it has read."""
        return await self._ask(lambda: self._shared.partitions(group))

    async def begun(self, group: str) -> dict[str, frozenset[int]]:
        """Partitions that a group of clients has begun with, by topic, whether or not it has read them yet."""
        found = await self._groups.ask(group, self._groups.coordinator.share_group, group)
        topics = () if found is None else found.partitions.initialized.values()
        return {topic.name: topic.partitions for topic in topics}

    async def alter(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Have a group without members begin elsewhere."""
        known = await self._empty(group)
        await self._ask(lambda: self._shared.alter_offsets(group, offsets))
        if known is not None:
            topics = {where.topic for where in offsets}
            await self._groups.ask(group, self._groups.coordinator.begin_shared, known, topics)

    async def delete_offsets(self, group: str, topics: Collection[str]) -> None:
        """Forget where a group without members stands in these topics."""
        known = await self._empty(group)
        ids = [self._id_of(topic) for topic in topics]
        await self._ask(lambda: self._shared.delete_offsets(group, topics))
        if known is not None:
            await self._groups.ask(group, self._groups.coordinator.forget_shared, known, ids)

    async def delete(self, group: str) -> bool:
        """Forget a group without members, as far as the engine knows it; False when it does not."""
        await self._empty(group, missing_ok=True)
        try:
            await self._ask(lambda: self._shared.delete_group(group))
        except GroupRefused as refused:
            if refused.error is not GroupError.GROUP_ID_NOT_FOUND:
                raise
            return False
        return True

    async def _empty(self, group: str, *, missing_ok: bool = False) -> ShareGroup | None:
        """The group as the coordinator knows it, None for one of embedded queues only; nobody holds anything."""
        found = await self._groups.ask(group, self._groups.coordinator.share_group, group)
        if found is not None and not found.is_empty:
            raise GroupRefused(GroupError.NON_EMPTY_GROUP)
        if found is None and not missing_ok and group not in await self.names():
            raise GroupRefused(GroupError.GROUP_ID_NOT_FOUND, f"Group {group} not found.")
        # The last member may have left without ending its session.
        await self._broker.service(ShareService).close(group)
        return found

    def _id_of(self, topic: str) -> UUID:
        from uuid import UUID

        return UUID(bytes=decode_id(self._broker.topics.id_of(topic)))

    async def _ask(self, function: Callable[[], T]) -> T:
        async with self._turn:
            try:
                return await self._broker.loop.run_in_executor(self._broker.threads, function)
            except GroupNotEmpty as error:
                raise GroupRefused(GroupError.NON_EMPTY_GROUP, str(error)) from error
            except GroupNotFound as error:
                raise GroupRefused(GroupError.GROUP_ID_NOT_FOUND, str(error)) from error
            except InvalidGroup as error:
                raise GroupRefused(GroupError.INVALID_GROUP_ID, str(error)) from error
            except LogflumeError as error:
                _log.error("share_group_request_failed", why=str(error))
                raise GroupRefused(GroupError.COORDINATOR_NOT_AVAILABLE, str(error)) from error
