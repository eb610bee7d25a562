"""What happened, in order: who asked for what, and what he was told."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Event", "FileRecorder", "Recorder", "load", "merge", "save"]


class Event(NamedTuple):
    """One line of a history.

    Kinds and their data (a place is "topic-partition"; a write's id is unique, "<actor>.<number>"):

    ======== ==================================================================================================
    send     id, place, txn (None: plain), source (None, or [place, offset] of the record it was made of)
    acked    id, offset: the log says that it is there
    refused  id, why: it may be there or not
    begin    txn
    commit   txn: asked for          committed  txn: told that it is so
    abort    txn: asked for          aborted    txn: told so, also when a commit was refused for good
    unsure   txn, why: a commit that ended with an error which leaves it open
    offsets  txn, group, offsets {place: next offset}
    open     reader, committed (isolation), start {place: offset}, last (true: after everything ended)
    poll     began (ns), rows [[place, offset, id]], positions {place: offset}, whole (nothing more was there)
    stands   group, offsets: what the group's stored offsets are after everything ended
    limits   began, ends {place: [last stable offset, end offset]}, last
    killed   whom              paused, resumed  whom
    failed   whom, why: a process ended with an error, or not at all
    ======== ==================================================================================================
    """

    at: int
    """CLOCK_MONOTONIC, ns: one clock for all processes of a machine. Of a call's end, where it has one."""
    actor: str
    kind: str
    data: dict[str, Any]


class Recorder:
    """Keeps events in memory. Not thread-safe: one for each actor, or turns."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def note(self, actor: str, kind: str, **data: Any) -> None:
        self.events.append(Event(time.monotonic_ns(), actor, kind, data))


class FileRecorder(Recorder):
    """Writes each event as a line at once: kill -9 tears the last one at most, and `merge` knows."""

    def __init__(self, path: Path | str) -> None:
        super().__init__()
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, actor: str, kind: str, **data: Any) -> None:
        os.write(self._fd, _line(Event(time.monotonic_ns(), actor, kind, data)))

    def close(self) -> None:
        os.close(self._fd)


def _line(event: Event) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def save(path: Path, events: Iterable[Event], **header: Any) -> None:
    """Writes a history; `header` says how it came about (seed, kind)."""
    with open(path, "wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        for event in events:
            file.write(_line(event))


def load(path: Path) -> tuple[dict[str, Any], list[Event]]:
    """What `save` wrote."""
    with open(path, "rb") as file:
        header = json.loads(file.readline())
        return header, [Event(*json.loads(line)) for line in file]


def merge(paths: Sequence[Path]) -> list[Event]:
    """The files of several recorders as one history, by time."""
    # A last line that was torn was written by one who was killed before he went on.
    lines = (line for path in paths for line in path.read_bytes().split(b"\n")[:-1])
    events = [Event(*json.loads(line)) for line in lines]
    return sorted(events, key=lambda event: event.at)
