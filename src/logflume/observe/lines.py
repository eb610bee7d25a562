"""Log lines of a process that is logflume's own: logfmt or JSON on standard error, one event a line."""

from __future__ import annotations

import json
import logging
import sys
import time

from logflume.observe.logs import format_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["FORMATS", "log_to"]


def _document(record: logging.LogRecord) -> dict[str, object]:
    """What a line says: time, level, event, its fields, and who says it."""
    seconds, fraction = divmod(record.created, 1)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    document: dict[str, object] = {
        "time": f"{moment}.{int(fraction * 1000):03d}Z",
        "level": record.levelname.lower(),
    }
    event = getattr(record, "event", None)
    if event is None:  # of another library, such as asyncio
        document |= {"event": "message", "message": record.getMessage()}
    else:
        document |= {"event": event, **record.fields}  # type: ignore[attr-defined]
    if record.exc_info:
        document["trace"] = logging.Formatter().formatException(record.exc_info)
    return document | {"logger": record.name}


class _Logfmt(logging.Formatter):
    """`time=... level=info event=... key=value ... logger=...`"""

    def format(self, record: logging.LogRecord) -> str:
        return format_fields(_document(record))


class _Json(logging.Formatter):
    """The same as an object; values that are neither text nor numbers become text."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(_document(record), default=str)


FORMATS = {"logfmt": _Logfmt, "json": _Json}


def log_to(stream: TextIO = sys.stderr, *, format: str = "logfmt", level: str = "info") -> None:
    """Send all log lines of this process to `stream`. Those of other libraries only from warnings on.

    For a process that is logflume's own: what it had set up before is replaced.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(FORMATS[format]())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("logflume").setLevel(level.upper())
