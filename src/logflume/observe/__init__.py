"""Seeing what happens: structured log lines, numbers for Prometheus, pages over HTTP.

What lives here: `get_logger`, over the standard library's logging; `exposition.py`, numbers in
Prometheus' format; `monitor.py`, the HTTP server that shows them and tells whether all is well.
Enters: the name of an event and its fields. Leaves: one line, `event key=value ...`, to
whatever handlers the program has set up under the logger "logflume"; event and fields also
stand on the log record as `event` and `fields`, for handlers that write JSON. A process that is
logflume's own (`logflume serve`) has its handler from `lines.py`: logfmt or JSON lines.
It does not know: what the events and numbers mean; it opens no files, and threads only for a monitor.
"""

from logflume.observe.logs import Logger, get_logger

__all__ = ["Logger", "get_logger"]
