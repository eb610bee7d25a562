"""Groups out of the log: what a broker that starts again knows of those who were members."""

from __future__ import annotations

from dataclasses import replace

from logflume.errors import InvalidRecord
from logflume.observe import get_logger

from .classic_group import ClassicGroup
from .consumer_group import ConsumerGroup
from .consumer_member import ConsumerMember
from .group_records import (
    CLASSIC_GROUP,
    REGEX,
    SHARE_KEYS,
    SHARE_PARTITIONS,
    GroupKey,
    decode_classic,
    decode_current,
    decode_epoch,
    decode_group_key,
    decode_member,
    decode_regex,
    decode_target,
)
from .share_group import ShareGroup
from .share_records import (
    decode_share_current,
    decode_share_epoch,
    decode_share_member,
    decode_share_partitions,
)

__all__ = ["GroupLoader"]

_logger = get_logger(__name__)


class GroupLoader:
    """Keeps the last value of every key while a log is read; makes the groups when it has been.

    A record that cannot be read costs a line in the log and its own content, nothing else.
    """

    def __init__(self) -> None:
        self._latest: dict[bytes, bytes] = {}

    def take(self, key: bytes, value: bytes | None) -> None:
        """One record, in the order of the log."""
        if value is None:
            self._latest.pop(key, None)
        else:
            self._latest[key] = value

    def groups(self) -> dict[str, ClassicGroup | ConsumerGroup | ShareGroup]:
        """By name."""
        classic: dict[str, ClassicGroup] = {}
        rows: dict[str, list[tuple[GroupKey, bytes]]] = {}
        for data, value in self._latest.items():
            try:
                key = decode_group_key(data)
                if key is not None and key.version == CLASSIC_GROUP:
                    classic[key.group] = ClassicGroup.from_record(key.group, decode_classic(value))
                elif key is not None:
                    rows.setdefault(key.group, []).append((key, value))
            except InvalidRecord as error:
                _logger.warning("unreadable group record passed over", why=str(error))
        made = {group: _epoch_group(group, found) for group, found in rows.items()}
        return {**classic, **made}


def _epoch_group(name: str, rows: list[tuple[GroupKey, bytes]]) -> ConsumerGroup | ShareGroup:
    """One kind or the other; a name whose records are of both (a Kafka has none such) is a share group's."""
    share = [row for row in rows if row[0].version in SHARE_KEYS]
    group = ShareGroup(name) if share else ConsumerGroup(name)
    group.facts = None
    # Members first, then where they stand; the log has them in the order in which they changed last.
    members: dict[str, ConsumerMember] = {}
    for key, value in sorted(share or rows, key=lambda row: row[0].version):
        try:
            _take(group, members, key, value)
        except InvalidRecord as error:
            _logger.warning("unreadable group record passed over", group=name, why=str(error))
    for member in members.values():
        group.put(_alone(group, member) if isinstance(group, ConsumerGroup) else member)
    group.targets = {m: target for m, target in group.targets.items() if m in members}
    return group


def _alone(group: ConsumerGroup, member: ConsumerMember) -> ConsumerMember:
    # Of two that claim a partition (a record between them was lost) one keeps it.
    free = frozenset(p for p in member.assigned if p not in group.owners)
    return replace(member, assigned=free) if free != member.assigned else member


def _take(
    group: ConsumerGroup | ShareGroup,
    members: dict[str, ConsumerMember],
    key: GroupKey,
    value: bytes,
) -> None:
    shared = isinstance(group, ShareGroup)
    if key.version == group.keys.group:
        group.epoch = decode_share_epoch(value) if shared else decode_epoch(value)
    elif key.version == group.keys.target_epoch:
        group.target_epoch = decode_epoch(value)
    elif key.version == group.keys.member:
        said = decode_share_member(value) if shared else decode_member(value)
        members[key.detail] = ConsumerMember(key.detail, said)
    elif key.version == group.keys.target:
        group.targets[key.detail] = decode_target(value)
    elif key.version == group.keys.current and key.detail in members:
        current = decode_share_current(value) if shared else decode_current(value)
        members[key.detail] = members[key.detail].with_current(current)
    elif isinstance(group, ShareGroup):
        if key.version == SHARE_PARTITIONS:
            group.partitions = decode_share_partitions(value)
    elif key.version == REGEX:
        group.patterns[key.detail] = frozenset(decode_regex(value))
