"""Producer ids in a copy: those who write to it later get others."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from logflume.client.log import Log

__all__ = ["keep_producer_ids_apart"]


def keep_producer_ids_apart(target: Log, wheres: Iterable[tuple[str, int]]) -> None:
    """New producers of this directory get ids that no copied record has: its sequences would be taken for theirs."""
    known = [p.producer_id for where in wheres for p in target.partition(*where).producers()]
    if known:
        target.directory.producer_ids.stay_above(max(known))
