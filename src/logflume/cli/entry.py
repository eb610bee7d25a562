"""From a command line to an exit code: what every command has in common.

0 done · 1 failed, with one line on standard error · 2 wrong usage · 130 interrupted · 141 nobody reads the output.
"""

from __future__ import annotations

import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DONE", "FAILED", "USAGE", "main"]

DONE = 0
FAILED = 1
USAGE = 2
_INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
_BROKEN_PIPE = 141  # 128 + SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. `arguments`: without the program's name; those of the process when None.

    Returns the exit code. Needs the extra `cli` for everything but `--version`.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["--version"]:
        from logflume._version import __version__

        print(f"logflume {__version__}")
        return DONE
    try:
        return _guarded(words)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # What is still buffered has nowhere to go; without this the interpreter complains at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _BROKEN_PIPE


def _guarded(words: list[str]) -> int:
    """Runs the command; errors of logflume and of the system become one line."""
    from logflume.cli.failures import Failed, Usage
    from logflume.errors import LogflumeError

    try:
        from logflume.cli.app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("cyclopts", "rich"):
            raise
        return _complain("the command line needs more: pip install 'logflume[cli]'", FAILED)
    _write_whole()
    _survive_odd_names()
    try:
        code = run(words)
        sys.stdout.flush()
        return code
    except Usage as error:
        return _complain(str(error), USAGE)
    except (Failed, LogflumeError) as error:
        return _complain(str(error), FAILED)
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}", FAILED)


def _write_whole() -> None:
    """With PYTHONUNBUFFERED standard output is a bare file: a write may take a part, and nobody looks how much."""
    out = sys.stdout
    if isinstance(getattr(out, "buffer", None), io.RawIOBase):
        whole = io.BufferedWriter(io.FileIO(out.fileno(), "w", closefd=False))
        sys.stdout = io.TextIOWrapper(whole, encoding=out.encoding, errors=out.errors)


def _survive_odd_names() -> None:
    """Names of files may hold bytes that are no text: they are shown escaped, and stop nothing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _complain(message: str, code: int) -> int:
    try:
        sys.stdout.flush()
    finally:
        print(f"logflume: {message}", file=sys.stderr)
    return code
