"""How cost grows with threads, each on a partition of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import lz4.block  # type: ignore[import-untyped]
import pyarrow

import logflume
from bench.entrants import TOPIC, ours, records_file
from bench.harness import Contest, Contestant, Job, fixed
from bench.limits import limits
from bench.payload import blocks, json_lines, packed
from bench.threads import each_thread
from logflume._native.input_columns import Packed


def test_columns(contest: Contest, workers: int) -> None:
    count = contest.scale.count(20e6)
    data, offsets = packed(100, count)
    column = Packed(data, offsets)
    buffers = [None, pyarrow.py_buffer(offsets), pyarrow.py_buffer(data)]
    table = pyarrow.table(
        {"value": pyarrow.Array.from_buffers(pyarrow.large_binary(), count, buffers)}
    )

    def columns(log: logflume.Log) -> Job:
        parts = [log.partition(TOPIC, i) for i in range(workers)]
        return each_thread(workers, lambda i: parts[i].append_many(column))

    @contextmanager
    def loops(where: Path) -> Iterator[Job]:
        with ExitStack() as stack:
            folders = [where / str(i) for i in range(workers)]
            for folder in folders:
                folder.mkdir()
            files = [stack.enter_context(records_file(folder)) for folder in folders]
            yield each_thread(workers, lambda i: limits.encode_packed(data, offsets, files[i]))

    @contextmanager
    def arrow(where: Path) -> Iterator[Job]:
        def write(i: int) -> None:
            path = str(where / f"{i}.arrow")
            with (
                pyarrow.OSFile(path, "wb") as file,
                pyarrow.ipc.new_stream(file, table.schema) as out,
            ):
                out.write_table(table, max_chunksize=65536)

        yield each_thread(workers, write)

    total = count * workers
    contest.run(
        "Threads, columns",
        [
            ours("append_many(column)", total, columns, partitions=workers),
            Contestant("C loop, write()", "limit", total, loops),
            Contestant("pyarrow IPC", "peer", total, arrow),
        ],
        about="all threads together, a partition each, or a file each; columns of 100 bytes",
        x=("threads", workers),
        cpu="shown",
    )


def test_compressed(contest: Contest, workers: int) -> None:
    lines = json_lines(contest.scale.count(2e6))
    plain = blocks(lines)
    total = len(lines) * workers

    def compressed(log: logflume.Log) -> Job:
        producer = log.producer(acks=1, compression_type="lz4")
        return each_thread(workers, lambda i: producer.send_many(TOPIC, lines, partition=i))

    def bare(_: int) -> None:
        pack: Any = lz4.block.compress
        for block in plain:
            pack(block)

    contest.run(
        "Threads, lz4",
        [
            ours("send_many(lines)", total, compressed, partitions=workers),
            fixed("bare lz4", "limit", total, each_thread(workers, bare)),
        ],
        about="all threads together, a partition each: lists of JSON lines of 380 bytes; the bare library packs blocks"
        " of 64 KiB that are joined beforehand, and keeps nothing",
        x=("threads", workers),
        cpu="shown",
    )
