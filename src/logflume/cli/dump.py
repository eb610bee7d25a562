"""`dump`: what a segment or an index file holds, entry by entry."""

from __future__ import annotations

import os
from typing import Annotated, Any

from cyclopts import Parameter

from logflume.cli.amounts import iso_time
from logflume.cli.batch_text import batch_document, batch_line, control_text, header_line
from logflume.cli.context import Shared
from logflume.cli.failures import Usage
from logflume.cli.formats import json_fields
from logflume.cli.index_file import read_offset_index, read_time_index
from logflume.cli.output import Output, paint, to_json
from logflume.cli.segment_scan import SegmentScan
from logflume.errors import CorruptRecord, LogflumeError, UnsupportedFormat
from logflume.log import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume._native.batches import Batch

__all__ = ["dump"]


def dump(
    file: Annotated[str, Parameter(help="A .log, .index or .timeindex file.")],
    /,
    *,
    records: Annotated[
        bool,
        Parameter(show_default=False, help="Print the records of each batch too (of a .log file)."),
    ] = False,
    max_: Annotated[
        int | None, Parameter(name="--max", help="Stop after this many batches or entries.")
    ] = None,
    context: Shared,
) -> int:
    """Print the batches of a segment, or the entries of an index. Exit code 1 on damage.

    Reads the file alone: it may lie anywhere, and be of a Kafka. With --json one line for each batch or entry.
    """
    if max_ is not None and max_ < 1:
        raise Usage(f"--max {max_}: expected 1 or more")
    suffix = os.path.splitext(file)[1]
    if records and suffix != layout.LOG_SUFFIX:
        raise Usage("--records is for .log files")
    if suffix == layout.LOG_SUFFIX:
        return _Dump(file, records=records, max_=max_, output=context.output).run()
    if suffix == layout.INDEX_SUFFIX:
        offsets = [
            {"offset": e.offset, "position": e.position, "at": e.at}
            for e in read_offset_index(file)
        ]
        return _entries(offsets[:max_], context.output)
    if suffix == layout.TIME_INDEX_SUFFIX:
        times = [
            {
                "timestamp": e.timestamp,
                "time": iso_time(e.timestamp),
                "offset": e.offset,
                "at": e.at,
            }
            for e in read_time_index(file)
        ]
        return _entries(times[:max_], context.output)
    raise Usage(f"{file}: expected a file that ends in .log, .index or .timeindex")


def _entries(entries: list[dict[str, Any]], output: Output) -> int:
    if output.json:
        for entry in entries:
            print(to_json(entry))
        return 0
    names = list(entries[0]) if entries else ["no entries"]
    print(
        paint("  ".join(name.upper().rjust(24 if name == "time" else 14) for name in names), "bold")
    )
    for entry in entries:
        cells = (str(v).rjust(24 if name == "time" else 14) for name, v in entry.items())
        print("  ".join(cells))
    return 0


class _Dump:
    """One segment, printed as it is read."""

    def __init__(self, path: str, *, records: bool, max_: int | None, output: Output) -> None:
        self._path = path
        self._records = records
        self._left = -1 if max_ is None else max_
        self._output = output
        self._code = 0

    def run(self) -> int:
        """Returns the exit code."""
        if not self._output.json:
            print(paint(header_line(), "bold"))
        with SegmentScan(self._path) as scan:
            while True:
                try:
                    for batch in scan:
                        self._batch(batch)
                        if not self._left:
                            return self._code
                    break
                except (CorruptRecord, UnsupportedFormat) as error:
                    at = scan.position
                    more = isinstance(error, CorruptRecord) and scan.resync()
                    self._damage(at, str(error.reason), scan.position if more else None)
                    if not more:
                        return self._code
            if scan.zeroes and not self._output.json:
                print(paint(f"{scan.position:>12}  {scan.zeroes} zero bytes, written ahead", "dim"))
        return self._code

    def _batch(self, batch: Batch) -> None:
        self._left -= 1
        if not batch.crc_ok:
            self._code = 1
        document = batch_document(batch)
        if not self._output.json:
            line = batch_line(batch)
            print(line if batch.crc_ok else paint(line, "red"))
        if self._records:
            try:
                self._print_records(batch, document)
            except LogflumeError as error:
                self._damage(batch.position, str(error), None)
        if self._output.json:
            print(to_json(document))

    def _print_records(self, batch: Batch, document: dict[str, Any]) -> None:
        listed = []
        for record in batch.records():
            fields = json_fields(record)
            del fields["topic"], fields["partition"]
            if batch.control:
                fields["control"] = control_text(record.key)
            listed.append(fields)
            if not self._output.json:
                print("              " + paint(to_json(fields), "dim"))
        document["records"] = listed

    def _damage(self, position: int, reason: str, readable: int | None) -> None:
        self._code = 1
        if self._output.json:
            print(to_json({"position": position, "damage": reason, "readable_from": readable}))
            return
        more = "" if readable is None else f"; readable again at {readable}"
        print(paint(f"{position:>12}  DAMAGE: {reason}{more}", "red"))
