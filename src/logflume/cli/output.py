"""Answers: tables and lines for people, JSON for programs. Colours and rich only on a terminal."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Output", "Table", "paint", "to_json"]

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Table:
    """Columns and rows of text. A column named with a leading `>` is set to the right."""

    def __init__(self, *columns: str, rows: Iterable[Sequence[object]] = ()) -> None:
        self.columns = [column.lstrip(">") for column in columns]
        self.right = [column.startswith(">") for column in columns]
        self.rows = [["" if cell is None else str(cell) for cell in row] for row in rows]

    def add(self, *cells: object) -> None:
        """One row."""
        self.rows.append(["" if cell is None else str(cell) for cell in cells])

    def plain(self) -> str:
        """Aligned with blanks; ends without a newline."""
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        return "\n".join(self._line(line, widths) for line in lines)

    def _line(self, cells: list[str], widths: list[int]) -> str:
        pairs = zip(cells, widths, self.right)
        set_ = [cell.rjust(width) if right else cell.ljust(width) for cell, width, right in pairs]
        return "  ".join(set_).rstrip()


class Output:
    """Where a command's answer goes. `json`: as one document instead of text."""

    def __init__(self, *, json: bool) -> None:
        self.json = json

    def answer(self, document: object, *texts: str | Table) -> None:
        """The command's whole answer: the document, or the texts and tables one below the other."""
        if self.json:
            print(to_json(document, indent=True))
        for text in () if self.json else texts:
            if isinstance(text, str):
                print(text)
            elif sys.stdout.isatty():
                _print_rich(text)
            else:
                print(text.plain())
        sys.stdout.flush()  # some commands go on for hours after their answer

    def note(self, text: str) -> None:
        """Something to know beside the answer: on standard error, so that it is in nobody's data."""
        sys.stdout.flush()
        print(f"logflume: {text}", file=sys.stderr)


def _print_rich(table: Table) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for name, right in zip(table.columns, table.right):
        shown.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    Console(highlight=False).print(shown)


def _style(cell: str) -> str:
    """Nothing and zero step back, findings step forward."""
    if cell in ("ok", "yes", "clean"):
        return "green"
    if cell in ("damaged", "no", "mismatch", "dead"):
        return "red"
    return "dim" if cell in ("0", "-", "none", "default") else ""


def paint(text: str, *styles: str) -> str:
    """Text in a colour, on a terminal that wants one."""
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"


def to_json(value: object, *, indent: bool = False) -> str:
    """JSON text; bytes that are no text go in escaped form."""
    import json

    return json.dumps(value, ensure_ascii=False, indent=2 if indent else None)
