"""A bar with the rate on standard error, for what takes longer than a moment, on a terminal."""

from __future__ import annotations

import sys
import time

from logflume.cli.amounts import rate_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

__all__ = ["Progress"]

_MOMENT_S = 0.4
"""Quicker work shows no bar, and does not pay for rich."""


class Progress:
    """Counts bytes of `total` (None: unknown) and records. A context manager."""

    def __init__(self, what: str, total: int | None, *, noun: str = "records") -> None:
        self._what = what
        self._total = total
        self._noun = noun
        self._shown = sys.stderr.isatty()
        self._began = time.monotonic()
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self.done_bytes = 0
        self.records = 0

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def add(self, size: int, records: int) -> None:
        """So much more is done."""
        self.done_bytes += size
        self.records += records
        if not self._shown or self.seconds < _MOMENT_S:
            return
        if self._bar is None:
            self._start()
        assert self._bar is not None
        assert self._task is not None
        note = f"{self.records:,} {self._noun}  {rate_text(self.records, self.seconds)}"
        self._bar.update(self._task, completed=self.done_bytes, note=note)

    def _start(self) -> None:
        from rich import progress
        from rich.console import Console

        columns: list[str | progress.ProgressColumn] = ["{task.description}"]
        if self._total is not None:
            columns += [progress.BarColumn(), progress.TaskProgressColumn()]
        columns += [progress.DownloadColumn(binary_units=True), "{task.fields[note]}"]
        if self._total is not None:
            columns.append(progress.TimeRemainingColumn())
        self._bar = progress.Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(self._what, total=self._total, note="")
        self._bar.start()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
