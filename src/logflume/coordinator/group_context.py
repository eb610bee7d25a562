"""What a group's state machines are given from outside: times, settings, the log, topics, names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol
from uuid import UUID, uuid4

from logflume.config.group import GroupConfig
from logflume.types import OffsetAndMetadata, TopicPartition

from .group_records import Record
from .group_settings import GroupSettings
from .group_timers import GroupTimers

__all__ = [
    "NO_OPTIONS",
    "CommitRequest",
    "GroupContext",
    "GroupStore",
    "TopicCatalog",
    "TopicFacts",
]

NO_OPTIONS = GroupConfig({})


class TopicFacts(NamedTuple):
    """What an assignor must know of a topic."""

    topic_id: UUID
    partitions: int


class TopicCatalog(Protocol):
    """The topics there are."""

    def topics(self) -> Mapping[str, TopicFacts]:
        """By name, as they are now, without internal ones. The same object as long as nothing changed."""


class GroupStore(Protocol):
    """Committed offsets of one partition of `__consumer_offsets`, and whatever else stands there."""

    def append(self, records: Sequence[Record], *, durable: bool) -> None: ...
    def commit(
        self,
        group: str,
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        *,
        durable: bool = ...,
        now_ms: int | None = ...,
    ) -> None: ...
    def delete(
        self, group: str, partitions: Iterable[TopicPartition] | None = ..., *, durable: bool = ...
    ) -> int: ...
    def offsets(self, group: str) -> dict[TopicPartition, OffsetAndMetadata]: ...
    def committed(self, group: str, partition: TopicPartition) -> OffsetAndMetadata | None: ...
    def groups(self) -> list[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRequest:
    """Who commits: OffsetCommit and TxnOffsetCommit, without what is committed.

    `epoch` is the generation or the member's epoch, -1 for one that is no member. `knows_epochs`:
    the client understands errors about epochs (OffsetCommit 9 and later).
    """

    group: str
    member_id: str = ""
    epoch: int = -1
    instance_id: str | None = None
    knows_epochs: bool = True
    transactional: bool = False


@dataclass(slots=True)
class GroupContext:
    """Shared by all groups of a coordinator. Not thread-safe, as they are not.

    `write(group, records)` appends to the group's partition of `__consumer_offsets`; what it raises
    (DiskFull ...) leaves the machine as it was before, or as if the group had been loaded anew.
    """

    write: Callable[[str, Sequence[Record]], None]
    catalog: TopicCatalog
    now_ms: Callable[[], int]
    """A clock that never goes back, for time-outs."""
    wall_ms: Callable[[], int]
    """Milliseconds since 1970, for records."""
    settings: GroupSettings = field(default_factory=GroupSettings)
    config_of: Callable[[str], GroupConfig] = lambda _group: NO_OPTIONS
    """What is set for single groups."""
    timers: GroupTimers = field(default_factory=GroupTimers)
    new_id: Callable[[], str] = lambda: str(uuid4())

    def setting_ms(self, group: str, name: str) -> int:
        """A time of one group: its own, or that of all."""
        own: int | None = getattr(self.config_of(group), name)
        common: int = getattr(self.settings, name)
        return common if own is None else own

    def after(self, delay_ms: int, key: tuple[str, ...], action: Callable[[], None]) -> None:
        """Call `action` in `delay_ms`, instead of what this key was to do before."""
        self.timers.schedule(key, self.now_ms() + delay_ms, action)
