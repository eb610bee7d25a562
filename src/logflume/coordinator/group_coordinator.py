"""The group coordinator: every request about groups, each handed to the machine of its group."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from uuid import UUID

from logflume.config.group import GroupConfig
from logflume.errors import LogflumeError
from logflume.observe import get_logger
from logflume.types import OffsetAndMetadata, TopicPartition

from .classic_group import ClassicGroup
from .classic_member import JoinAnswer, JoinRequest, SyncAnswer
from .classic_requests import ClassicRequests, Leaver, SyncRequest
from .consumer_group import ConsumerGroup
from .consumer_messages import JOIN, ConsumerAnswer, ConsumerHeartbeat
from .consumer_requests import ConsumerRequests
from .epoch_requests import EpochRequests
from .group_claims import GroupClaims
from .group_context import NO_OPTIONS, CommitRequest, GroupContext, GroupStore, TopicCatalog
from .group_errors import GroupError, GroupRefused
from .group_records import Record
from .group_settings import GroupSettings
from .share_group import ShareGroup
from .share_messages import ShareHeartbeat
from .share_requests import ShareRequests

__all__ = ["GroupCoordinator", "Machine", "check_id"]

_logger = get_logger(__name__)

Machine = ClassicRequests | ConsumerRequests | ShareRequests
"""What serves a group. Classic and consumer groups may become each other while they have no members."""
_Group = ClassicGroup | ConsumerGroup | ShareGroup


class GroupCoordinator:
    """All groups of a broker. Not thread-safe; no sockets, no threads, no clock of its own.

    Methods raise GroupRefused where the answer is an error, and what the log refuses (DiskFull ...).
    `join` and `sync` answer through `reply`, now or later; an error that is known at once is raised.

    `store_of(group)` is the store that holds the group's records, read up to now: its groups were
    given to `adopt`. `load(group)` reads a group's records anew, after a write failed.
    """

    def __init__(
        self,
        *,
        store_of: Callable[[str], GroupStore],
        load: Callable[[str], _Group | None],
        claims: GroupClaims,
        catalog: TopicCatalog,
        now_ms: Callable[[], int],
        wall_ms: Callable[[], int],
        config_of: Callable[[str], GroupConfig] = lambda _group: NO_OPTIONS,
        settings: GroupSettings | None = None,
    ) -> None:
        self._store_of = store_of
        self._load = load
        self.claims = claims
        self.context = GroupContext(
            self._write, catalog, now_ms, wall_ms, settings or GroupSettings(), config_of
        )
        self.machines: dict[str, Machine] = {}
        self._lost: set[str] = set()

    # Loading, writing, time

    def adopt(self, groups: Iterable[_Group]) -> None:
        """Go on with groups that were read from the log; members have their time-outs from now on."""
        for group in groups:
            if isinstance(group, ShareGroup):
                share = ShareRequests(group, self.context)
                self.machines[group.group] = share
                share.expect_all()
                continue
            if not group.is_empty and not self._reclaim(group):
                continue
            if isinstance(group, ClassicGroup):
                classic = ClassicRequests(group, self.context)
                self.machines[group.group] = classic
                for member in group.members.values():
                    classic.rebalance.expect(member)
            else:
                consumer = ConsumerRequests(group, self.context)
                self.machines[group.group] = consumer
                consumer.expect_all()

    def _reclaim(self, group: ClassicGroup | ConsumerGroup) -> bool:
        """Have the group again; False when others took it over while there was no broker."""
        try:
            self.claims.claim(group.group)
        except GroupRefused as refused:
            _logger.warning("group has other members now", group=group.group, why=refused.message)
            self._store_of(group.group).append(group.tombstones(), durable=False)
            return False
        return True

    def _write(self, group: str, records: Sequence[Record]) -> None:
        # As in Kafka, on disk when the kernel gets to it: who is a member outlives the broker, not the machine.
        try:
            self._store_of(group).append(records, durable=False)
        except LogflumeError:
            if isinstance(self.machines.get(group), EpochRequests):
                self._lost.add(group)  # what is in memory is not what is stored
            raise

    def _find(self, group: str) -> Machine | None:
        if self.let_go(group):
            self.restore(group, self._load(group))
        return self.machines.get(group)

    def let_go(self, group: str) -> bool:
        """Whether what is in memory of a group was not stored: then it is forgotten here, until `restore`."""
        if group not in self._lost:
            return False
        machine = self.machines.pop(group, None)
        if machine is not None:
            _stop_timers(machine)
        return True

    def restore(self, group: str, stored: _Group | None) -> None:
        """Go on with what the log says of a group."""
        if group in self._lost:
            self._lost.discard(group)
            if stored is not None:
                self.adopt([stored])

    def tick(self) -> int | None:
        """Do what is due; when to call next (ms of `now_ms`), None when there is nothing to wait for."""
        done = True
        while done:
            try:
                done = bool(self.context.timers.run_due(self.context.now_ms()))
            except LogflumeError as error:
                _logger.error("group change not stored", why=str(error))
            if done:
                self._release_vacant(list(self.machines))
        return self.context.timers.next_due()

    def _release_vacant(self, groups: Iterable[str]) -> None:
        """Leave groups without clients to embedded consumers, should any come; forget those never stored."""
        for group in groups:
            machine = self.machines.get(group)
            if machine is None or _is_vacant(machine):
                self.claims.release(group)
            if machine is not None and _is_vacant(machine) and not machine.group.is_stored:
                del self.machines[group]

    # Classic protocol

    def join(self, request: JoinRequest, reply: Callable[[JoinAnswer], None]) -> None:
        """JoinGroup."""
        check_id(request.group)
        settings = self.context.settings
        low, high = settings.min_session_timeout_ms, settings.max_session_timeout_ms
        if not low <= request.session_timeout_ms <= high:
            raise GroupRefused(GroupError.INVALID_SESSION_TIMEOUT, member_id=request.member_id)
        self._check_join(request)
        try:
            self.claims.claim(request.group)
            self._classic_to_join(request.group).join(request, reply)
        finally:
            self._release_vacant([request.group])

    def _check_join(self, request: JoinRequest) -> None:
        machine = self._find(request.group)
        if isinstance(machine, ShareRequests) or (
            isinstance(machine, ConsumerRequests) and not machine.group.is_empty
        ):
            error = GroupError.INCONSISTENT_GROUP_PROTOCOL
            raise GroupRefused(error, member_id=request.member_id)
        if not isinstance(machine, ClassicRequests) and request.member_id:
            raise GroupRefused(GroupError.UNKNOWN_MEMBER_ID, member_id=request.member_id)

    def _classic_to_join(self, group: str) -> ClassicRequests:
        machine = self.machines.get(group)
        if isinstance(machine, ConsumerRequests):
            self._drop(machine)
        if not isinstance(machine, ClassicRequests):
            machine = ClassicRequests(ClassicGroup(group), self.context)
            self.machines[group] = machine
        return machine

    def sync(self, request: SyncRequest, reply: Callable[[SyncAnswer], None]) -> None:
        """SyncGroup."""
        self._classic(request.group).sync(request, reply)

    def heartbeat(
        self, group: str, member_id: str, instance_id: str | None, generation: int
    ) -> None:
        """Heartbeat."""
        self._classic(group).heartbeat(member_id, instance_id, generation)

    def leave(self, group: str, leavers: Sequence[Leaver]) -> list[GroupError]:
        """LeaveGroup: the answer to each. An operator may name members of either kind of group."""
        check_id(group)
        machine = self._find(group)
        if machine is None:
            return [GroupError.UNKNOWN_MEMBER_ID] * len(leavers)
        if isinstance(machine, ClassicRequests):
            answers = machine.leave(leavers)
        elif isinstance(machine, ShareRequests):
            answers = [machine.expel(leaver.member_id) for leaver in leavers]
        else:
            answers = [machine.expel(leaver.member_id, leaver.instance_id) for leaver in leavers]
        self._release_vacant([group])
        return answers

    def _classic(self, group: str) -> ClassicRequests:
        check_id(group)
        machine = self._find(group)
        if not isinstance(machine, ClassicRequests):
            raise GroupRefused(GroupError.UNKNOWN_MEMBER_ID)
        return machine

    # Consumer protocol

    def consumer_heartbeat(self, request: ConsumerHeartbeat) -> ConsumerAnswer:
        """ConsumerGroupHeartbeat."""
        request.check(self.context.settings.consumer_assignors)
        machine = self._find(request.group)
        if isinstance(machine, ShareRequests):
            raise _not_a_group(request.group, "consumer")
        if isinstance(machine, ClassicRequests):
            if request.epoch != JOIN or not _is_vacant(machine):
                raise _not_a_group(request.group, "consumer")
            self._drop(machine)
            machine = None
        if machine is None:
            if request.epoch != JOIN:
                raise GroupRefused(
                    GroupError.GROUP_ID_NOT_FOUND, f"Group {request.group} not found."
                )
            machine = ConsumerRequests(ConsumerGroup(request.group), self.context)
        try:
            if request.epoch < JOIN:
                return machine.leave(request)
            self.claims.claim(request.group)
            self.machines[request.group] = machine
            return machine.heartbeat(request)
        finally:
            self._release_vacant([request.group])

    # Share groups

    def share_heartbeat(self, request: ShareHeartbeat) -> ConsumerAnswer:
        """ShareGroupHeartbeat."""
        request.check()
        machine = self._find(request.group)
        if machine is None and request.epoch == JOIN:
            if self._store_of(request.group).offsets(request.group):
                raise _not_a_group(request.group, "share")  # a classic one that has left offsets
            machine = ShareRequests(ShareGroup(request.group), self.context)
        if machine is None:
            raise GroupRefused(GroupError.GROUP_ID_NOT_FOUND, f"Group {request.group} not found.")
        if not isinstance(machine, ShareRequests):
            raise _not_a_group(request.group, "share")
        if request.epoch < JOIN:
            return machine.leave(request)
        self.machines[request.group] = machine
        return machine.heartbeat(request)

    def share_group(self, group: str) -> ShareGroup | None:
        """A share group that has, or had, clients as members; None for another kind, and for none."""
        check_id(group)
        machine = self._find(group)
        return machine.group if isinstance(machine, ShareRequests) else None

    def begin_shared(self, group: ShareGroup, topics: Iterable[str]) -> None:
        """There is state of these topics' partitions."""
        known = self.context.catalog.topics()
        if group.begin({name: known[name] for name in topics if name in known}):
            self._write(group.group, [group.partitions_record()])

    def forget_shared(self, group: ShareGroup, topic_ids: Collection[UUID]) -> None:
        """The state of these topics' partitions is gone."""
        group.forget(topic_ids)
        self._write(group.group, [group.partitions_record()])

    # Offsets

    def check_commit(self, request: CommitRequest) -> None:
        """Whether offsets may be committed. Raises GroupRefused as Kafka would."""
        machine = self._find(request.group)
        if isinstance(machine, ShareRequests):
            raise _not_a_group(request.group, "consumer")
        if machine is None or _is_vacant(machine):
            self._check_foreign_commit(request)
        if machine is None:
            return
        if isinstance(machine, ConsumerRequests):
            machine.check_commit(
                request.member_id,
                request.epoch,
                knows_epochs=request.knows_epochs or request.transactional,
            )
        else:
            machine.check_commit(
                request.member_id,
                request.instance_id,
                request.epoch,
                transactional=request.transactional,
            )

    def _check_foreign_commit(self, request: CommitRequest) -> None:
        """A commit for a group that has no clients here."""
        if self.claims.has_embedded(request.group):
            raise GroupRefused(GroupError.UNKNOWN_MEMBER_ID)
        if request.group not in self.machines and request.epoch >= 0:
            unknown = request.knows_epochs and not request.transactional
            raise GroupRefused(
                GroupError.GROUP_ID_NOT_FOUND if unknown else GroupError.ILLEGAL_GENERATION
            )

    def commit(
        self, request: CommitRequest, offsets: Mapping[TopicPartition, OffsetAndMetadata]
    ) -> None:
        """OffsetCommit, of partitions that exist."""
        self.check_commit(request)
        now_ms = self.context.wall_ms()
        self._store_of(request.group).commit(request.group, offsets, durable=False, now_ms=now_ms)

    def check_fetch(self, group: str, member_id: str | None, epoch: int) -> None:
        """Whether this member may be told the group's offsets."""
        machine = self._find(group)
        if isinstance(machine, ShareRequests):
            raise _not_a_group(group, "consumer")
        if isinstance(machine, ConsumerRequests):
            machine.check_fetch(member_id, epoch)

    def store(self, group: str) -> GroupStore:
        """Where the group's offsets are."""
        return self._store_of(group)

    # The end of a group

    def _drop(self, machine: Machine) -> None:
        """Forget a group without members; its offsets stay."""
        group = machine.group
        _stop_timers(machine)
        self._write(group.group, group.tombstones())
        del self.machines[group.group]
        self._release_vacant([group.group])

    def delete(self, group: str) -> None:
        """Forget a group and its offsets. Raises GroupRefused: NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND."""
        check_id(group)
        machine = self._find(group)
        if (machine is not None and not machine.group.is_empty) or self.claims.has_embedded(group):
            raise GroupRefused(GroupError.NON_EMPTY_GROUP)
        deleted = self._store_of(group).delete(group, durable=False)
        if machine is not None:
            self._drop(machine)
        was_embedded = self.claims.delete_file(group)
        if machine is None and not deleted and not was_embedded:
            raise GroupRefused(GroupError.GROUP_ID_NOT_FOUND)

    def close(self) -> None:
        """The broker stops. Members stay in the log: they have a session's time to find it again."""
        for machine in self.machines.values():
            _stop_timers(machine)
        self.claims.close()


def check_id(group: str) -> None:
    """Raises GroupRefused: INVALID_GROUP_ID."""
    if not group:
        raise GroupRefused(GroupError.INVALID_GROUP_ID)


def _is_vacant(machine: Machine) -> bool:
    group = machine.group
    return group.is_empty and not (isinstance(group, ClassicGroup) and group.pending)


def _stop_timers(machine: Machine) -> None:
    if isinstance(machine, ClassicRequests):
        machine.rebalance.stop_timers()
    else:
        machine.stop_timers()


def _not_a_group(group: str, kind: str) -> GroupRefused:
    return GroupRefused(GroupError.GROUP_ID_NOT_FOUND, f"Group {group} is not a {kind} group.")
