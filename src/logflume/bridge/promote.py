"""Handing a directory's topics over to a Kafka."""

from __future__ import annotations

import os

from logflume.bridge.compare import compare
from logflume.bridge.groups import copy_groups
from logflume.bridge.mirror import mirror
from logflume.bridge.offset_map import OffsetMap
from logflume.bridge.report import MirrorReport
from logflume.bridge.topics import copied_topics
from logflume.errors import UnknownTopicOrPartition
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from logflume.client.log import Log

__all__ = ["PromoteReport", "promote"]

_KRAFT = "__cluster_metadata-0"


class PromoteReport(NamedTuple):
    """What was handed over."""

    partitions: tuple[MirrorReport, ...]
    groups: tuple[str, ...]
    compared: int
    """Records that were read on both sides and are the same."""


def promote(
    source: Log,
    target: Log,
    topics: Iterable[str] | None = None,
    *,
    verify: bool = True,
    new_offsets: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> PromoteReport:
    """Copy topics (default: all) and the groups' committed offsets from a directory, or a cluster, to a Kafka.

    `target`: a cluster (online, by producing), or the log directory of a stopped Kafka, in which the topics exist
    already (offline: batches byte for byte). Can be repeated: it goes on where it ended. `verify`: read all back.
    `new_offsets`: as mirror; what groups have committed is translated. Nothing is deleted in the source; stop its
    producers before the last run. Raises as mirror, CopyDiffers.
    """
    names = copied_topics(source) if topics is None else list(topics)
    if not target.engine.is_remote:
        _need_topics(target, names)
    copied = mirror(source, target, names, new_offsets=new_offsets, on_progress=on_progress)
    offsets = OffsetMap(target) if new_offsets else None
    compared = 0
    if verify:
        compared = sum(compare(source, target, name, offsets=offsets) for name in names)
    translate = None if offsets is None else offsets.translate
    groups = copy_groups(source, target, names, translate=translate)
    return PromoteReport(tuple(copied), tuple(groups), compared)


def _need_topics(target: Log, names: list[str]) -> None:
    """A Kafka's topics are made by its controller: a directory alone would be moved away as a stray one."""
    if os.path.isdir(os.path.join(target.path, _KRAFT)) or _is_kafkas(target):
        for name in names:
            if name not in target:
                raise UnknownTopicOrPartition(topic=f"{name} (create it in the Kafka first)")


def _is_kafkas(target: Log) -> bool:
    return any(target.directory.topic(name).foreign for name in target.topics(internal=True))
