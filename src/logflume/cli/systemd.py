"""Telling systemd how a service is (sd_notify(3)): it starts what comes after only when this one is ready."""

from __future__ import annotations

import os
import socket

__all__ = ["tell"]


def tell(state: str) -> None:
    """Send `READY=1` and the like to the socket that the environment names; nothing where it names none."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address or address[0] not in "/@":
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        # @ stands for the zero byte with which abstract names begin.
        notify.sendto(
            state.encode(), b"\0" + address[1:].encode() if address[0] == "@" else address
        )
