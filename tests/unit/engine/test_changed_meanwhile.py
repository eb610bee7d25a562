"""What others change while a call is under way: the caller's lists, a topic of the same name, a handle."""

from __future__ import annotations

import contextlib
import math
import struct
import threading
from pathlib import Path

import pytest
from tests.support.partitions import opened

import logflume
from logflume import errors
from logflume._native.partition import Partition

DIRECTORY_VERSIONS_AT = 104  # lf/state.h: directory_version, then directory_synced


class _Clears:
    """A number and a false list of headers, either of which empties a list when looked at."""

    def __init__(self, victim: list[object]) -> None:
        self.victim = victim

    def __index__(self) -> int:
        self.victim.clear()
        return 1

    __int__ = __index__

    def __bool__(self) -> bool:
        self.victim.clear()
        return False


def test_timestamps_that_empty_their_list_are_an_error_and_no_crash(tmp_path: Path) -> None:
    stamps: list[object] = [1] * 5000
    stamps[0] = _Clears(stamps)
    with opened(tmp_path) as log, pytest.raises(RuntimeError, match="changed"):
        log.append_many([b"v"] * 5000, timestamps=stamps)


def test_headers_that_empty_the_values_are_an_error_and_no_crash(tmp_path: Path) -> None:
    values: list[object] = [b"v" * 100 for _ in range(5000)]
    headers: list[object] = [None] * 5000
    headers[7] = _Clears(values)
    with opened(tmp_path) as log, pytest.raises((RuntimeError, IndexError)):
        log.append_many(values, headers=headers)


@pytest.mark.parametrize("which", ["timestamps", "headers"])
def test_a_list_emptied_by_another_thread_is_an_error_and_no_crash(
    tmp_path: Path, which: str
) -> None:
    n = 60_000
    with logflume.open(tmp_path) as log:
        log.create_topic("t", partitions=2)
        producer = log.producer()
        for delay in range(12):
            given: list[object] = [1_700_000_000_000 if which == "timestamps" else None] * n
            clearing = threading.Timer(delay * 0.001, given.clear)
            clearing.start()
            try:
                producer.send_many("t", [b"v" * 100] * n, **{which: given})
            except (RuntimeError, ValueError, IndexError):
                pass
            clearing.join()


def test_a_topic_made_again_by_another_process_is_another_partition(tmp_path: Path) -> None:
    with logflume.open(tmp_path) as log, logflume.open(tmp_path) as other:
        log.create_topic("t", partitions=1)
        old = log.partition("t", 0)
        producer = log.producer()
        producer.send("t", b"old").result()
        old.append(b"not synced yet")
        other.delete_topic("t")
        for call in (lambda: old.append(b"x"), old.sync, lambda: old.wait(old.end_offset, 0.01)):
            with pytest.raises(errors.UnknownTopicOrPartition):
                call()
        with pytest.raises(errors.UnknownTopicOrPartition):
            log.partition("t", 0)
        other.create_topic("t", partitions=1)
        other.partition("t", 0).append(b"new")
        assert log.partition("t", 0) is not old
        assert log.partition("t", 0).append(b"newer") == 1
        assert [r.value for r in other.partition("t", 0).read_batch(0)] == [b"new", b"newer"]
        assert old.gone
        assert not log.partition("t", 0).gone


def test_a_wait_for_no_number_of_seconds_ends(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        assert not log.wait(0, math.nan)
        log.append(b"v")
        assert log.wait(0, math.inf)


def test_closing_wakes_every_sleeper(tmp_path: Path) -> None:
    for attempt in range(60):
        with opened(tmp_path / str(attempt)) as log:

            def sleep(log: Partition = log) -> None:
                with contextlib.suppress(errors.Closed):
                    while True:
                        log.wait(0, 200.0)

            sleepers = [threading.Thread(target=sleep) for _ in range(3)]
            for thread in sleepers:
                thread.start()
            log.close()
            for thread in sleepers:
                thread.join(60)
                assert not thread.is_alive()


def test_the_first_sync_after_opening_syncs_the_directory(tmp_path: Path) -> None:
    # A partition that was closed empty, or killed, may never have had its directory synced.
    for _ in range(2):
        with opened(tmp_path) as log:
            log.append(b"v")
            log.sync()
            state = Path(log.path, "logflume.state").read_bytes()
            version, synced = struct.unpack_from("=QQ", state, DIRECTORY_VERSIONS_AT)
            assert version == synced > 0


def test_a_base_offset_near_the_largest_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as log:
        log.append_many([b"a", b"b"])
        raw = bytearray(Path(log.path, f"{0:020d}.log").read_bytes()[:200])
    struct.pack_into(">q", raw, 0, (1 << 63) - 1)
    length = struct.unpack_from(">i", raw, 8)[0] + 12
    with opened(tmp_path / "b") as log, pytest.raises(errors.InvalidRecord, match="impossible"):
        log.append_raw(bytes(raw[:length]))
