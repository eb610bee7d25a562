"""Seeing what happens: structured log lines.

What lives here: `get_logger`, over the standard library's logging. Metrics, Prometheus and
health come with the broker; until then there is nothing of them.
Enters: the name of an event and its fields. Leaves: one line, `event key=value ...`, to
whatever handlers the program has set up under the logger "logflume"; event and fields also
stand on the log record as `event` and `fields`, for handlers that write JSON. A process that is
logflume's own (`logflume serve`) has its handler from `lines.py`: logfmt or JSON lines.
It does not know: what the events mean; it starts no threads and opens no files.
"""

from logflume.observe.logs import Logger, get_logger

__all__ = ["Logger", "get_logger"]
