"""Share groups in a broker: the records that its clients hold, their sessions, and who waits for records."""

from __future__ import annotations

import asyncio

from logflume.broker.groups import LOCK_TIMEOUT_S, GroupService
from logflume.broker.share_sessions import ShareSessions
from logflume.coordinator.share import ShareHolder, ShareSettings
from logflume.errors import LogflumeError
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from logflume.broker.connection import Connection
    from logflume.broker.server import Broker
    from logflume.broker.share_sessions import ShareSession
    from logflume.coordinator.share import SharePartition

    T = TypeVar("T")

__all__ = ["ShareService", "SharedGroup"]

_log = get_logger(__name__)
# Records that other processes give back come with no new offset to wait for, and locks run out by themselves.
_LOOK_S = 0.1
_LOOKS_FOR_THE_DEAD = 10


class SharedGroup:
    """One group. Belongs to the event loop; steps and openings take turns, as its holder asks for.

    `waits` are called, once each, when there may be records to take that were not there before.
    """

    def __init__(self, broker: Broker, name: str, settings: ShareSettings) -> None:
        self.name = name
        self.settings = settings
        self.waits: dict[Callable[[], object], None] = {}
        self._broker = broker
        self._holder: ShareHolder | None = None
        self._parts: dict[tuple[str, int], SharePartition] = {}
        self._turn = asyncio.Lock()
        self._look: asyncio.TimerHandle | None = None
        self._looks = 0

    async def part(self, topic: str, number: int) -> SharePartition:
        """What the group does with a partition. Raises what opening raises."""
        part = self._parts.get((topic, number))
        if part is None or part.log.closed or part.log.gone:
            # Who goes away meanwhile does not end it: nobody else may have the holder until it is done.
            return await asyncio.shield(asyncio.ensure_future(self._open(topic, number)))
        if part.settings is not self.settings:
            part.settings = self.settings
        return part

    async def _open(self, topic: str, number: int) -> SharePartition:
        async with self._turn:
            part = await self._in_thread(lambda: self._opened(topic, number))
            self._parts[topic, number] = part
            return part

    def _opened(self, topic: str, number: int) -> SharePartition:
        if self._holder is None:
            self._holder = ShareHolder(
                self._broker.directory,
                self.name,
                self.settings,
                client_id="logflume serve",
                lock_timeout_s=LOCK_TIMEOUT_S,
            )
        return self._holder.partition(topic, number)

    async def step(self, function: Callable[[], T]) -> T:
        """Let the engine do a step: some tens of microseconds."""
        async with self._turn:
            return function()

    async def release(self, member_id: str) -> None:
        """A member's session is over: others may have what it holds."""
        for part in list(self._parts.values()):
            try:
                await self.step(lambda part=part: part.release_member(member_id))  # type: ignore[misc]
            except LogflumeError as error:
                _log.error("share_release_failed", group=self.name, error=error)
        self.tell()

    async def close(self) -> None:
        """Release all, and let go of the files."""
        if self._look is not None:
            self._look.cancel()
        async with self._turn:
            holder, self._holder = self._holder, None
            self._parts.clear()
            if holder is not None:
                await self._in_thread(holder.close)

    # Waiting

    def tell(self) -> None:
        """Something is free, or there is room for more."""
        waits = list(self.waits)
        self.waits.clear()
        for wait in waits:
            wait()

    def wait(self, told: Callable[[], object]) -> None:
        """Have `told` called by the next `tell`, or when another process or the time has freed something."""
        self.waits[told] = None
        if self._look is None:
            self._look = self._broker.loop.call_later(_LOOK_S, self._look_around)

    def _look_around(self) -> None:
        self._look = None
        if not self.waits:
            return
        self._looks += 1
        if self._looks % _LOOKS_FOR_THE_DEAD == 0 and not self._turn.locked():
            self._free_the_dead()
        if any(map(self.may_have, self._parts.values())):
            self.tell()
        else:
            self._look = self._broker.loop.call_later(_LOOK_S, self._look_around)

    def _free_the_dead(self) -> None:
        """Processes that died with records tell nobody."""
        for part in self._parts.values():
            if part.others_hold():
                try:
                    part.expire()
                except LogflumeError as error:
                    _log.error("share_look_failed", group=self.name, error=error)

    def may_have(self, part: SharePartition) -> bool:
        """Whether a step may find something to take: cheap, and never wrong where it says no."""
        if part.is_changed() or part.has_available():
            return True
        deadline_ms = part.next_deadline_ms()
        return deadline_ms is not None and deadline_ms <= self._broker.clock.ms()

    def _in_thread(self, function: Callable[[], T]) -> asyncio.Future[T]:
        return self._broker.loop.run_in_executor(self._broker.threads, function)


class ShareService:
    """One for each broker. Belongs to its event loop."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._groups: dict[str, SharedGroup] = {}
        self._ending: set[asyncio.Future[None]] = set()
        self.sessions = ShareSessions(broker.config.group_share_max_share_sessions)

    def settings(self, group: str) -> ShareSettings:
        """What a group is set to now: by itself, or with all others."""
        own = self._broker.service(GroupService).configs.of(group)
        return ShareSettings.of(own, self._broker.config)

    def group(self, name: str) -> SharedGroup:
        """A group that clients fetch from."""
        settings = self.settings(name)
        found = self._groups.get(name)
        if found is None:
            found = self._groups[name] = SharedGroup(self._broker, name, settings)
        elif found.settings != settings:
            found.settings = settings
        return found

    def lost(self, connection: Connection) -> None:
        """Release what a client holds that is gone."""
        for session in self.sessions.of_connection(connection):
            task = asyncio.ensure_future(self.end(session))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def end(self, session: ShareSession) -> None:
        """A session is over: what its member holds is free."""
        if not self.sessions.end(session):
            return
        group = self._groups.get(session.group)
        if group is None:
            return
        await group.release(session.member_id)
        if not self.sessions.of_group(session.group):
            await self.close(session.group)

    async def close(self, name: str) -> None:
        """Let go of a group that no client fetches from."""
        group = self._groups.pop(name, None)
        if group is not None:
            await group.close()

    async def stop(self) -> None:
        """The broker stops: what its clients hold is free for others."""
        if self._ending:
            await asyncio.wait(self._ending)
        for name in list(self._groups):
            await self.close(name)
