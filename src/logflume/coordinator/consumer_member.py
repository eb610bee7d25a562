"""A member of a consumer group (KIP-848): what it wants, what it has, and the way from one to the other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from .group_records import CurrentAssignment, IdPartition, MemberMetadata

__all__ = [
    "LEFT_FOR_NOW",
    "STABLE",
    "UNRELEASED",
    "UNREVOKED",
    "ConsumerMember",
]

# The numbers are those in Kafka's records.
STABLE = 0
"""It has its target, as far as it was told."""
UNREVOKED = 1
"""It has partitions that it must give up, and says so before it gets others."""
UNRELEASED = 2
"""It waits for partitions that others have not given up yet."""

LEFT_FOR_NOW = -2
"""Epoch of a static member that will be back (KIP-848)."""


@dataclass(frozen=True, slots=True)
class ConsumerMember:
    """One member. Never changed: a step makes a new one, so that a step that fails leaves the old one."""

    member_id: str
    metadata: MemberMetadata
    epoch: int = 0
    previous_epoch: int = 0
    """Good for a member whose last answer was lost."""
    state: int = STABLE
    assigned: frozenset[IdPartition] = field(default_factory=frozenset)
    revoking: frozenset[IdPartition] = field(default_factory=frozenset)

    @property
    def held(self) -> frozenset[IdPartition]:
        """All that nobody else may have."""
        return self.assigned | self.revoking

    def is_reconciled(self, target_epoch: int) -> bool:
        """Whether it stands where the target assignment wants it."""
        return self.state == STABLE and self.epoch == target_epoch

    def current(self) -> CurrentAssignment:
        """For its record."""
        return CurrentAssignment(
            self.epoch, self.previous_epoch, self.state, self.assigned, self.revoking
        )

    def with_current(self, value: CurrentAssignment) -> ConsumerMember:
        """As its record says."""
        return replace(
            self,
            epoch=value.epoch,
            previous_epoch=value.previous_epoch,
            state=value.state,
            assigned=value.assigned,
            revoking=value.revoking,
        )

    def rejoined(self) -> ConsumerMember:
        """It begins anew and has nothing in hand; what it was assigned stays meant for it."""
        return replace(self, epoch=0, previous_epoch=0, state=STABLE, revoking=frozenset())

    def left_for_now(self) -> ConsumerMember:
        """A static member that goes and will be back: its partitions wait for it."""
        return replace(self, epoch=LEFT_FOR_NOW, state=STABLE, revoking=frozenset())

    def reconciled(
        self,
        target_epoch: int,
        target: frozenset[IdPartition],
        owners: Mapping[IdPartition, str],
        owned: Collection[IdPartition] | None,
    ) -> ConsumerMember:
        """The next step towards the target.

        First it gives up what is not in the target, then it moves to the target's epoch and gets
        what no other member has. `owned` is what it says that it has (None: as before).
        """
        if self.state == STABLE and self.epoch == target_epoch:
            return self
        epoch = self.epoch
        if self.state == UNREVOKED:
            if owned is None or not self.revoking.isdisjoint(owned):
                return self
            # All given up; further on it may turn out that more is to go, under the next epoch.
            epoch += 1
        kept = self.assigned & target
        surplus = self.assigned - target
        if surplus and (owned is None or not surplus.isdisjoint(owned)):
            return self._moved(epoch, UNREVOKED, kept, surplus)
        wanted = target - kept
        free = frozenset(p for p in wanted if owners.get(p, self.member_id) == self.member_id)
        state = STABLE if free == wanted else UNRELEASED
        return self._moved(target_epoch, state, kept | free, frozenset())

    def _moved(
        self,
        epoch: int,
        state: int,
        assigned: frozenset[IdPartition],
        revoking: frozenset[IdPartition],
    ) -> ConsumerMember:
        previous = self.previous_epoch if epoch == self.epoch else self.epoch
        return replace(
            self,
            epoch=epoch,
            previous_epoch=previous,
            state=state,
            assigned=assigned,
            revoking=revoking,
        )
