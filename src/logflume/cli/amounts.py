"""Numbers as people read them."""

from __future__ import annotations

import time

__all__ = ["bytes_text", "count_text", "iso_time", "plural", "rate_text", "ratio_text", "time_text"]

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def bytes_text(size: float) -> str:
    """`1.4 GiB`; exact below a KiB."""
    for unit in _BINARY:
        if abs(size) < 1024 or unit == _BINARY[-1]:
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"


def count_text(count: int) -> str:
    """`1,234,567`."""
    return f"{count:,}"


def plural(count: int, noun: str) -> str:
    """`1 record`, `2 records`, `3 batches`."""
    ending = "" if count == 1 else "es" if noun.endswith("ch") else "s"
    return f"{count:,} {noun}{ending}"


def rate_text(count: float, seconds: float) -> str:
    """`2.9 M/s`."""
    rate = count / max(seconds, 1e-9)
    for factor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if rate >= factor:
            return f"{rate / factor:.1f}{unit}/s"
    return f"{rate:.0f}/s"


def ratio_text(unpacked: int, stored: int) -> str:
    """`3.4x`, or `-` where there is nothing."""
    return f"{unpacked / stored:.1f}x" if stored else "-"


def time_text(timestamp_ms: int) -> str:
    """Local time to the second; `-` where there is none."""
    if timestamp_ms < 0:
        return "-"
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(timestamp_ms / 1000))
    except (OverflowError, ValueError, OSError):
        return str(timestamp_ms)  # year 300000: a stamp that somebody's clock made up


def iso_time(timestamp_ms: int) -> str:
    """UTC with milliseconds and a `Z`; empty where there is none."""
    if timestamp_ms < 0:
        return ""
    try:
        whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(timestamp_ms // 1000))
    except (OverflowError, ValueError, OSError):
        return str(timestamp_ms)
    return f"{whole}.{timestamp_ms % 1000:03d}Z"
