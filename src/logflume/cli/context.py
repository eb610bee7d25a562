"""What every command is given: the directory, and how to answer."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import Parameter

from logflume.cli.failures import Failed, Usage
from logflume.cli.output import Output
from logflume.errors import ReadOnlyDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.client.log import Log
    from logflume.log.directory import LogDirectory

__all__ = ["DEFAULT_DIRECTORY", "Context", "Shared"]

DEFAULT_DIRECTORY = "./logflume-data"


class Context:
    """The global options of one command line. `chosen`: the directory where one is named, by option or environment."""

    def __init__(self, chosen: str | None, *, json: bool = False, read_only: bool = False) -> None:
        self.chosen = chosen
        self.read_only = read_only
        self.directory = chosen or DEFAULT_DIRECTORY
        self.json = json
        self.output = Output(json=json)

    def create(self) -> Log:
        """The log, made where there is none."""
        from logflume.client.log import open_log

        if self.read_only:
            raise Usage("--read-only: this command changes the directory")
        return open_log(self.directory)

    def open(self) -> Log:
        """The log, to be changed. Fails where there is none: a wrong --dir makes no new one."""
        self._require()
        return self.create()

    def look(self) -> Log:
        """The log, to be read: also where this user may not write."""
        from logflume.client.log import open_log

        self._require()
        if self.read_only:
            return open_log(self.directory, read_only=True)
        try:
            return open_log(self.directory)
        except ReadOnlyDirectory:
            return open_log(self.directory, read_only=True)

    def files(self) -> LogDirectory:
        """The directory without opening a partition, so that nothing is recovered or changed."""
        from logflume.log.directory import LogDirectory

        self._require()
        return LogDirectory(self.directory, read_only=True)

    def _require(self) -> None:
        from logflume.log import layout

        path = self.directory
        if not os.path.isdir(path):
            raise Failed(
                f"{path}: no such log directory"
                " (name one with --dir or LOGFLUME_DIR, make one with: logflume init)"
            )
        marks = (layout.META_FILE, layout.TOPICS_FILE)
        if any(os.path.exists(os.path.join(path, mark)) for mark in marks):
            return
        if not any(layout.parse_partition_directory(name) for name in os.listdir(path)):
            raise Failed(f"{path}: not a log directory (make it one with: logflume init)")

    def confirm(self, question: str, *, yes: bool) -> None:
        """Return when the user agrees. Raises Usage where nobody can be asked, Failed for a no."""
        import sys

        if yes:
            return
        if self.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise Usage(f"{question} Say --yes: this is no terminal to ask on")
        sys.stderr.write(f"{question} [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Failed("nothing was changed")


Shared = Annotated[Context, Parameter(parse=False)]
"""A command's parameter `context` that does not come from the command line."""
