"""Structured log lines over the standard library's logging, which is imported only when needed."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging

__all__ = ["Logger", "format_fields", "format_line", "get_logger"]

# The numbers of logging.DEBUG and so on, which importing would cost milliseconds.
_DEBUG, _INFO, _WARNING, _ERROR = 10, 20, 30, 40


class Logger:
    """Writes events with fields. Thread-safe, as the standard library's loggers are.

    As long as nobody has imported `logging`, nobody listens below WARNING, and such
    events cost one dictionary look-up. Warnings and errors reach standard error in a
    program that has not set up logging: they tell of lost or damaged data.
    """

    __slots__ = ("_logger", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._logger: logging.Logger | None = None

    def debug(self, event: str, /, **fields: object) -> None:
        """Something for who looks for a fault in logflume."""
        self._log(_DEBUG, event, None, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """Something that happens in normal use."""
        self._log(_INFO, event, None, fields)

    def warning(
        self, event: str, /, *, error: BaseException | None = None, **fields: object
    ) -> None:
        """Something that works but should be looked at."""
        self._log(_WARNING, event, error, fields)

    def error(self, event: str, /, *, error: BaseException | None = None, **fields: object) -> None:
        """Something that failed, and that no caller is told of."""
        self._log(_ERROR, event, error, fields)

    def _log(
        self, level: int, event: str, error: BaseException | None, fields: dict[str, object]
    ) -> None:
        logger = self._logger
        if logger is None:
            if level < _WARNING and "logging" not in sys.modules:
                return
            import logging

            logger = self._logger = logging.getLogger(self.name)
        if logger.isEnabledFor(level):
            if error is not None:
                fields = {**fields, "error": f"{type(error).__name__}: {error}"}
            line = format_line(event, fields)
            # Two frames up is the caller of debug(), info() ...; without arguments
            # logging leaves a % in the line alone.
            logger.log(level, line, stacklevel=3, extra={"event": event, "fields": fields})


def get_logger(name: str) -> Logger:
    """The logger of a module; pass `__name__`, so that "logflume" is the parent of all."""
    return Logger(name)


def format_line(event: str, fields: dict[str, object]) -> str:
    """`event key=value ...`; a value with anything but plain characters is quoted and escaped."""
    return " ".join([event, format_fields(fields)]) if fields else event


def format_fields(fields: dict[str, object]) -> str:
    """`key=value ...`, as logfmt has it."""
    return " ".join(f"{key}={_quoted(str(value))}" for key, value in fields.items())


def _quoted(text: str) -> str:
    if text and text.isprintable() and not any(mark in text for mark in ' "=\\'):
        return text
    # One event is one line, whatever a topic's, file's or group's name holds.
    marked = text.replace("\\", "\\\\").replace('"', '\\"')
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in marked)
    return f'"{"".join(shown)}"'
