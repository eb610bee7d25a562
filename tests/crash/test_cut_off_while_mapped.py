"""A segment that somebody outside cuts off while it is mapped: errors with a place, and zeroes in views that are held.

Touching such a page is SIGBUS, the end of the process: everything here runs in a process of its own.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.crash

BEGIN = """
import glob, os, sys, threading
import logflume
from logflume import errors

COUNT, SIZE = 4000, 1000

def cut(at):
    (path,) = glob.glob("t-0/*.log")
    os.truncate(path, at)

log = logflume.open(".")
log.create_topic("t")
partition = log.partition("t", 0)
for first in range(0, COUNT, 10):
    partition.append_many([b"%04d" % n + b"x" * (SIZE - 4) for n in range(first, first + 10)])
"""


def run(tmp_path: Path, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            BEGIN + textwrap.dedent(program) + "\nprint('alive')",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )


def assert_alive(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


READ = """
    def read_all():
        reader, found = partition.reader(0), []
        while len(found) < COUNT:
            batch = reader.read(1000)
            if not len(batch):
                break
            found += [bytes(value) for value in batch.values]
        return found
"""


@pytest.mark.parametrize("seen_before", [True, False])
def test_what_is_left_is_read_and_then_the_place_is_named(
    tmp_path: Path, seen_before: bool
) -> None:
    """Also of batches whose checksums this process has checked already."""
    assert_alive(
        run(
            tmp_path,
            READ
            + f"""
    if {seen_before}:
        assert len(read_all()) == COUNT
    else:
        partition.read(0)
    cut(2_000_000)
    reader, found = partition.reader(0), 0
    try:
        while True:
            found += len(reader.read(1000))
    except errors.CorruptRecord as error:
        assert 1_900_000 < error.position <= 2_000_000, error
        assert error.path.endswith(".log") and "t-0" in str(error), error
    assert 1900 < found < 2000, found
    try:
        partition.read(3999)
    except errors.CorruptRecord:
        pass
    else:
        raise AssertionError("a record that is gone was read")
    assert partition.read(0).value[:4] == b"0000"
""",
        )
    )


def test_views_that_are_held_show_zeroes(tmp_path: Path) -> None:
    assert_alive(
        run(
            tmp_path,
            """
    batch = partition.reader(0).read(COUNT, 1 << 30)
    first, last = batch.values[0], batch.values[COUNT - 1]
    cut(2_000_000)
    assert bytes(last) == b"\\0" * SIZE
    assert bytes(first)[:4] == b"0000"
    assert batch.records()[COUNT - 1].value == b"\\0" * SIZE
""",
        )
    )


def test_threads_that_meet_it_at_once(tmp_path: Path) -> None:
    assert_alive(
        run(
            tmp_path,
            """
    batch = partition.reader(0).read(COUNT, 1 << 30)
    values = [batch.values[n] for n in range(COUNT - 1, 3000, -1)]
    start, failures = threading.Barrier(8), []
    def touch():
        start.wait()
        failures.extend(v for v in map(bytes, values) if v != b"\\0" * SIZE)
    threads = [threading.Thread(target=touch) for _ in range(8)]
    cut(2_000_000)
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert not failures
""",
        )
    )


def test_an_append_that_would_be_stored_nowhere_is_refused(tmp_path: Path) -> None:
    assert_alive(
        run(
            tmp_path,
            """
    partition.append(b"through the map")
    cut(0)
    end = partition.end_offset
    for _ in range(2):
        try:
            partition.append(b"lost")
        except errors.SyncFailed as error:
            assert "open again" in str(error), error
        else:
            raise AssertionError("acknowledged, and nowhere")
    assert partition.end_offset == end
""",
        )
    )


def test_consumers_and_the_next_opener_are_told(tmp_path: Path) -> None:
    assert_alive(
        run(
            tmp_path,
            """
    with log.consumer("t", auto_offset_reset="earliest") as consumer:
        assert len(consumer.poll_batch(max_records=100)) == 100
        cut(500_000)
        seen = 100
        try:
            while True:
                seen += len(consumer.poll(0))
        except errors.CorruptRecord:
            assert 400 < seen < 500, seen
    log.close()
    with logflume.open(".") as log:
        assert log.partition("t", 0).read(0).value[:4] == b"0000"
""",
        )
    )


NEW_MAP = """
log.create_topic("u")
log["u"][0].append(b"x")
log["u"][0].read(0)
"""

OWN_FAULT = """
import mmap
with open("other", "w+b") as file:
    file.truncate(1 << 16)
    other = mmap.mmap(file.fileno(), 1 << 16)
    file.truncate(0)
print(other[4096])
"""


@pytest.mark.parametrize("told", ["by nobody", "first", "behind ours"])
def test_a_fault_of_somebody_elses_is_still_the_end(tmp_path: Path, told: str) -> None:
    """And faulthandler still tells of it, whether it stands before our handler or behind it."""
    program = [] if told == "by nobody" else ["import faulthandler; faulthandler.enable()"]
    if told == "behind ours":
        program.append(NEW_MAP)
    done = run(tmp_path, "\n".join([*program, OWN_FAULT]))
    assert done.returncode == -signal.SIGBUS
    assert ("Fatal Python error: Bus error" in done.stderr) == (told != "by nobody"), done.stderr


@pytest.mark.parametrize("handled", [True, False])
def test_a_signal_that_is_sent_reaches_whom_it_reached_before(
    tmp_path: Path, handled: bool
) -> None:
    done = run(
        tmp_path,
        f"""
    import signal
    seen = []
    if {handled}:
        signal.signal(signal.SIGBUS, lambda *_: seen.append(1))
    {"; ".join(NEW_MAP.split(chr(10))[1:-1])}
    os.kill(os.getpid(), signal.SIGBUS)
    assert seen == [1]
""",
    )
    assert done.returncode == (0 if handled else -signal.SIGBUS), done.stderr
