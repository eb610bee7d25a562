"""`put`: lines become records."""

from __future__ import annotations

import os
import stat
from typing import Annotated, Literal

from cyclopts import Parameter

from logflume.cli.amounts import bytes_text, plural, rate_text
from logflume.cli.context import Shared
from logflume.cli.failures import Failed, Usage
from logflume.cli.line_keys import keys_by_field, keys_by_regex
from logflume.cli.lines import line_chunks
from logflume.cli.progress import Progress
from logflume.cli.settings import parse_pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.cli.line_keys import Keys
    from logflume.client.producer import Producer

__all__ = ["put"]


def put(
    topic: Annotated[str, Parameter(help="The topic's name.")],
    file: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True, help="The file; standard input when it is left out or -."
        ),
    ] = "-",
    /,
    *,
    key_regex: Annotated[
        str | None,
        Parameter(help="The key is what this finds in the line: the group `key`, or the first."),
    ] = None,
    key_field: Annotated[
        str | None,
        Parameter(help="The key is this field of the line's JSON object (a.b goes inside)."),
    ] = None,
    partition: Annotated[
        int | None, Parameter(name=["--partition", "-p"], help="Into this one.")
    ] = None,
    acks: Annotated[
        Literal["all", "1", "0"],
        Parameter(
            help="When a record counts: all, on disk; 1, safe from kill -9; 0, not waited for."
        ),
    ] = "all",
    compression: Annotated[
        Literal["none", "gzip", "snappy", "lz4", "zstd"],
        Parameter(help="Codec, where the topic leaves it to the producer."),
    ] = "none",
    header: Annotated[
        list[str] | None, Parameter(help="name=value for every record; repeatable.")
    ] = None,
    strip_cr: Annotated[
        bool, Parameter(show_default=False, help="Take the CR off lines that end with CR LF.")
    ] = False,
    context: Shared,
) -> None:
    """Append each line of a file, or of standard input, as one record.

    A pipe's lines are appended as they come. The last line needs no newline.
    """
    if file.startswith("-") and file != "-":
        raise Usage(f"unknown option {file} (see: logflume put --help)")
    keys = _keys(key_regex, key_field)
    headers = [(name, value.encode()) for name, value in parse_pairs(header, "--header")]
    if os.path.isdir(file):
        raise Failed(f"{file}: is a directory")
    descriptor = 0 if file == "-" else os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with context.open() as log:
            log.describe_topic(topic)
            with log.producer(acks=acks, compression_type=compression) as producer:
                run = _Run(producer, topic, partition, keys, headers)
                run.all_lines(descriptor, strip_cr=strip_cr)
    finally:
        if descriptor:
            os.close(descriptor)
    if run.keyless:
        context.output.note(f"{plural(run.keyless, 'record')} without a key: no {run.key_source}")
    progress = run.progress
    rate = rate_text(progress.records, run.seconds)
    said = f"put {plural(progress.records, 'record')} ({bytes_text(progress.done_bytes)}) in {topic}, {rate}"
    document = {
        "topic": topic,
        "records": progress.records,
        "bytes": progress.done_bytes,
        "without_key": run.keyless,
        "seconds": round(run.seconds, 6),
    }
    context.output.answer(document, said)


def _keys(regex: str | None, field: str | None) -> Keys | None:
    if regex is not None and field is not None:
        raise Usage("--key-regex and --key-field exclude each other")
    if regex is not None:
        return keys_by_regex(regex)
    return None if field is None else keys_by_field(field)


class _Run:
    """Sends chunk after chunk and counts."""

    def __init__(
        self,
        producer: Producer,
        topic: str,
        partition: int | None,
        keys: Keys | None,
        headers: list[tuple[str, bytes]],
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._partition = partition
        self._keys = keys
        self._headers = headers
        self.keyless = 0
        self.key_source = "match of --key-regex, or field of --key-field, in the line"
        self.seconds = 0.0

    def all_lines(self, descriptor: int, *, strip_cr: bool) -> None:
        """Until the input ends."""
        info = os.fstat(descriptor)
        total = info.st_size if stat.S_ISREG(info.st_mode) else None
        with Progress(f"put {self._topic}", total) as self.progress:
            for lines, size in line_chunks(descriptor, strip_cr=strip_cr):
                if lines:
                    self._send(lines)
                self.progress.add(size, len(lines))
            self._producer.flush()
            self.seconds = self.progress.seconds

    def _send(self, lines: list[bytes]) -> None:
        keys = None
        if self._keys is not None:
            keys = self._keys(lines)
            self.keyless += keys.count(None)
        headers = [self._headers] * len(lines) if self._headers else None
        self._producer.send_many(
            self._topic, lines, keys=keys, partition=self._partition, headers=headers
        )
