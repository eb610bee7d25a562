"""Which start of the machine this is: what was not on disk is there as long as it does not change."""

from __future__ import annotations

__all__ = ["boot_id"]

_PATH = "/proc/sys/kernel/random/boot_id"


def boot_id() -> str:
    """The kernel's random name for this start; empty where it does not say."""
    try:
        with open(_PATH, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
