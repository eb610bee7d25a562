"""Columns: numpy and Arrow in, without a Python object for each record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import pyarrow

import logflume
from bench.entrants import TOPIC, limit_writing, ours
from bench.harness import Contest, Contestant, Goal, Job
from bench.limits import limits
from bench.payload import packed
from logflume._native.input_columns import Packed

WRITE = "C copy, write()"
ENCODE = "C loop, write()"
GOALS = {
    100: [
        Goal("numpy fixed width", "≥ 22 M/s", rate=22e6),
        Goal("Arrow binary", "≥ 22 M/s", rate=22e6),
        Goal("Packed(data, offsets)", "≥ 22 M/s", rate=22e6),
        Goal("Arrow binary", "≥ 1.0 of c-write", beside=WRITE, share=1.0),
    ],
    1024: [
        Goal("Arrow binary", "≥ 0.9 of the C loop", beside=ENCODE, share=0.9),
        Goal("numpy fixed width", "≥ 0.9 of the C loop", beside=ENCODE, share=0.9),
    ],
}


def arrow_file(column: Any) -> Contestant:
    @contextmanager
    def open_(where: Path) -> Iterator[Job]:
        table = pyarrow.table({"value": column})
        with pyarrow.OSFile(str(where / "records.arrow"), "wb") as file:

            def job() -> None:
                with pyarrow.ipc.new_stream(file, table.schema) as stream:
                    stream.write_table(table, max_chunksize=65536)

            yield job

    return Contestant("pyarrow IPC", "peer", len(column), open_)


def text(data: bytes, offsets: Any) -> Any:
    """Characters of one byte each."""
    plain = (numpy.frombuffer(data, numpy.uint8) & 0x7F).tobytes()
    count = offsets.size // 4 - 1
    return pyarrow.Array.from_buffers(
        pyarrow.string(), count, [None, offsets, pyarrow.py_buffer(plain)]
    )


def columns(data: bytes, offsets: Any, size: int) -> dict[str, Any]:
    """The same values in each form that is taken."""
    buffers = [None, pyarrow.py_buffer(offsets.astype(numpy.int32)), pyarrow.py_buffer(data)]
    binary = pyarrow.Array.from_buffers(pyarrow.binary(), len(offsets) - 1, buffers)
    fixed = numpy.frombuffer(data, dtype=f"V{size}")
    forms = {
        "numpy fixed width": fixed,
        "Arrow binary": binary,
        "Packed(data, offsets)": Packed(data, offsets),
    }
    if size == 100:
        forms |= {
            "Arrow large_binary": binary.cast(pyarrow.large_binary()),
            "Arrow binary_view": binary.cast(pyarrow.binary_view()),
            "Arrow string": text(data, buffers[1]),
            "numpy objects": numpy.array(binary.to_pylist(), dtype=object),
        }
    return forms


def test_columns(contest: Contest, size: int) -> None:
    count = contest.scale.count(25e6, size)
    data, offsets = packed(size, count)
    forms = columns(data, offsets, size)

    def appending(form: Any) -> Any:
        def prepare(log: logflume.Log) -> Job:
            partition = log.partition(TOPIC, 0)
            return lambda: partition.append_many(form)

        return prepare

    def keyed(log: logflume.Log) -> Job:
        producer = log.producer(acks=1)
        keys = (
            numpy.frombuffer(data, dtype=f"V{size}").view(numpy.uint8).reshape(count, size)[:, :8]
        )
        return lambda: producer.send_many(TOPIC, forms["numpy fixed width"], keys=keys)

    def c_write(fd: int) -> Job:
        return lambda: limits.copy_packed(data, offsets, fd)

    def encode(fd: int) -> Job:
        return lambda: limits.encode_packed(data, offsets, fd)

    contest.run(
        "Columns in",
        [
            *(ours(name, count, appending(form)) for name, form in forms.items()),
            ours("numpy, keyed, 4 partitions", count, keyed, partitions=4),
            limit_writing(ENCODE, count, encode),
            limit_writing(WRITE, count, c_write),
            limit_writing(
                "memcpy", count, lambda fd: lambda: limits.copy_packed(data, offsets, -1)
            ),
            arrow_file(forms["Arrow binary"]),
        ],
        about="`partition.append_many(column)`; the C copy writes an 8-byte header and the value,"
        " without a checksum",
        x=("bytes of a value", size),
        goals=GOALS.get(size, []),
    )
