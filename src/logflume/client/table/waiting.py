"""What a table can wait for: records, by their place."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from logflume._native.delivery import Delivery
from logflume.errors import Timeout
from logflume.types import RecordMetadata

if TYPE_CHECKING:
    from logflume.client.table.core import Core

__all__ = ["Target", "wait_until"]

Target = RecordMetadata | Delivery | Mapping[int, int] | int
"""A record's place; its delivery; offsets of records by partition; or an offset, where there is one partition."""

_WAIT_S = 1.0
_STUCK_S = 0.005


def wait_until(core: Core, target: Target, timeout: float | None) -> None:
    """Return once the table has these records and all before them; see Table.wait_until."""
    deadline = float("inf") if timeout is None else time.monotonic() + timeout
    for number, offset in _offsets(core, target, timeout).items():
        state = core.states.get(number)
        if state is None:
            raise ValueError(f"partition {number} of {core.topic} is not held by this table")
        while state.position <= offset:
            core.refresh()
            if state.position > offset:
                break
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout(
                    what=f"offset {offset} of {core.topic}-{number}", seconds=timeout or 0
                )
            if state.log.wait(offset, min(left, _WAIT_S), read_committed=True):
                # Usually the next refresh has it; if not, something holds it back that does not wake us.
                behind = state.log.last_stable_offset > state.position
                time.sleep(0 if behind else min(left, _STUCK_S))


def _offsets(core: Core, target: Target, timeout: float | None) -> dict[int, int]:
    if isinstance(target, Delivery):
        target = target.result(timeout)
    if isinstance(target, RecordMetadata):
        if target.topic != core.topic:
            raise ValueError(f"the record is of {target.topic}, the table of {core.topic}")
        if target.offset < 0:
            raise ValueError("the record's offset is not known: it was sent with acks=0")
        return {target.partition: target.offset}
    if isinstance(target, Mapping):
        return dict(target)
    if len(core.states) != 1:
        raise ValueError("which partition? Give {partition: offset}")
    return {next(iter(core.states)): target}
