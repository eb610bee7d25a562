"""What the members of a share group share of one partition: its window, and who holds what. The bytes of its file.

It is true while its boot of the machine lasts; the file is not synced. `applied` is the offset of the newest record of
`__share_group_state` that it has; what the log has beyond that counts more.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any

from logflume.errors import CorruptRecord, UnsupportedFormat

from .states import RecordState
from .window import Span, Window

__all__ = ["Holder", "WorkingTable"]

FORMAT = 1
_SIZE = struct.Struct("<I")
_NUMBERS_OF_SPAN = 6
_DIRTY = 8  # above the bits of a state


@dataclass(slots=True)
class Holder:
    """Who may hold records. `slot` is the number of the lock that proves him alive; a broker's members have one
    together. `joined_ms` (since 1970), `pid` and `client_id` are for people."""

    number: int
    slot: int
    member_id: str
    pid: int
    client_id: str
    joined_ms: int


@dataclass(slots=True)
class WorkingTable:
    """The table. Changed only under the file's lock."""

    boot: str
    window: Window
    state_epoch: int = 0
    snapshot_epoch: int = 0
    leader_epoch: int = 0
    create_ms: int = 0
    applied: int = -1
    written_start: int = -1
    next_number: int = 1
    holders: dict[int, Holder] = field(default_factory=dict)
    deleted: bool = False
    """The file is gone from its path: whoever has it open opens the one that is there."""

    def encode(self) -> bytes:
        """The bytes of the file's table: a JSON head, then the spans as numbers."""
        window = self.window
        head: dict[str, Any] = {
            "format": FORMAT,
            "boot": self.boot,
            "start": window.start,
            "end": window.end,
            "state_epoch": self.state_epoch,
            "snapshot_epoch": self.snapshot_epoch,
            "leader_epoch": self.leader_epoch,
            "create_ms": self.create_ms,
            "applied": self.applied,
            "written_start": self.written_start,
            "next_number": self.next_number,
            "holders": [
                (h.number, h.slot, h.member_id, h.pid, h.client_id, h.joined_ms)
                for h in self.holders.values()
            ],
            "deleted": self.deleted,
        }
        numbers: list[int] = []
        for s in window.spans:
            state = s.state | (_DIRTY if s.dirty else 0)
            numbers += (s.first, s.last, state, s.count, s.holder, s.deadline_ms)
        text = json.dumps(head, separators=(",", ":")).encode()
        return _SIZE.pack(len(text)) + text + struct.pack(f"<{len(numbers)}q", *numbers)

    @classmethod
    def decode(cls, data: bytes, *, path: str) -> WorkingTable:
        """The reverse. Raises CorruptRecord, UnsupportedFormat."""
        try:
            size = _SIZE.unpack_from(data)[0]
            head = json.loads(data[_SIZE.size : _SIZE.size + size])
            if head.pop("format") != FORMAT:
                raise UnsupportedFormat(path=path, reason="written by a newer logflume")
            rest = data[_SIZE.size + size :]
            numbers = struct.unpack(f"<{len(rest) // 8}q", rest)
            rows = zip(*[iter(numbers)] * _NUMBERS_OF_SPAN, strict=True)
            spans = [
                Span(first, last, RecordState(state & ~_DIRTY), n, who, until, bool(state & _DIRTY))
                for first, last, state, n, who, until in rows
            ]
            window = Window(head.pop("start"), spans, head.pop("end"))
            holders = {row[0]: Holder(*row) for row in head.pop("holders")}
            return cls(window=window, holders=holders, **head)
        except (KeyError, TypeError, ValueError, struct.error) as error:
            raise CorruptRecord(path=path, position=0, reason=f"no table: {error}") from error
