"""What the processes of test_table_processes do."""

from __future__ import annotations

import time

import logflume
from support.children import report


def write(path: str, name: str, keys: int, seconds: float) -> None:
    """Counts its keys up through a table until it is killed or the time is over; reports what is published."""
    with logflume.open(path) as log, log.table("t", acks=1) as table:
        report("ready")
        deadline = time.monotonic() + seconds
        number = 0
        while time.monotonic() < deadline:
            number += 1
            for key in range(keys):
                table.put(f"{name}-{key}".encode(), b"%d" % number)
            table.flush()
            assert all(table[f"{name}-{key}".encode()] == b"%d" % number for key in range(keys))
            report("wrote", number)
            if number % 20 == 0:
                table.checkpoint()


def watch(path: str, seconds: float) -> None:
    """Reads what others write: a key's number never goes down, in the table and in callbacks alike."""
    seen: dict[bytes, int] = {}
    with logflume.open(path) as log, log.table("t", follow="background") as table:

        def changed(key: bytes, old: bytes | None, new: bytes | None) -> None:
            assert new is not None
            assert old is None or int(new) == int(old) + 1, (key, old, new)
            seen[key] = int(new)

        # With what is there already: a writer may be done before this process has come up.
        table.on_change(changed, replay=True)
        report("ready")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            before = dict(seen)
            time.sleep(0.05)
            for key, value in table.items():
                assert int(value) >= before.get(key, 0), (key, value)
        table.refresh()
        report("saw", *(f"{k.decode()}={v}" for k, v in sorted(seen.items())))
