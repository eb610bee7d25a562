"""`logflume-transactions.held`: the table of committed transactions that readers do not see yet, as a file.

Its first line names the boot of the machine that it belongs to and the table's number; the rest is the coordinator's.
It is not synced: after a power loss it counts for nothing, for then nothing is held (decision 025).
"""

from __future__ import annotations

import os

from logflume.log import layout
from logflume.log.boot import boot_id
from logflume.log.filesystem import raise_typed
from logflume.log.small_file import read_small

__all__ = ["read_held", "read_held_table", "write_held"]

_LINE_MAX = 128


def read_held_table(directory: str) -> int:
    """The number of the table that holds in a directory now; 0 when there is none."""
    try:
        with open(os.path.join(directory, layout.HELD_FILE), "rb", buffering=0) as file:
            return _number(file.read(_LINE_MAX))
    except FileNotFoundError:
        return 0


def read_held(directory: str) -> tuple[int, bytes]:
    """(number, what `write_held` was given); (0, b"") when there is none, or one of before the last boot."""
    data = read_small(os.path.join(directory, layout.HELD_FILE)) or b""
    number = _number(data[:_LINE_MAX])
    return (number, data.partition(b"\n")[2]) if number else (0, b"")


def write_held(directory: str, number: int, data: bytes) -> None:
    """Replace the table. Safe from kill -9. Raises DiskFull, StorageError.

    The caller is the only one who writes it. So the new one has a name of its own: whoever opens the directory
    meanwhile sweeps up other files' temporary ones.
    """
    path = os.path.join(directory, layout.HELD_FILE)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(f"{path}.new", flags, 0o644), "wb") as file:
            file.write(f"{boot_id()} {number}\n".encode() + data)
        os.replace(f"{path}.new", path)
    except OSError as error:
        raise_typed(error, path)


def _number(data: bytes) -> int:
    boot, _, rest = data.partition(b" ")
    number, end, _ = rest.partition(b"\n")
    here = boot_id().encode()
    return int(number) if here and boot == here and end and number.isdigit() else 0
