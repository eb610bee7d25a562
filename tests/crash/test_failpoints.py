"""At every named place of the core: killed there, or given an error there, nothing acknowledged is lost."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from crash.script import SETTINGS, UNACKNOWLEDGED, value_of
from logflume import errors
from logflume._native.partition_log import arm_failpoints, failpoint_names
from support.children import Child
from support.partitions import Handle, as_after_kill, opened, read_all

pytestmark = pytest.mark.crash

# Those of compaction and of transactions are walked through by their own tests.
OTHERS = ("compact.", "held.", "produce.", "snapshot.", "txnindex.", "txn.")
NAMES = [name for name in failpoint_names() if not name.startswith(OTHERS)]
BEFORE = 60  # records that are there when the script begins


@pytest.fixture(scope="module")
def unclean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log whose writer was killed in the middle of a write, with records not yet synced."""
    where = tmp_path_factory.mktemp("unclean")
    handle = Handle(where / "live", **SETTINGS)
    for number in range(BEFORE):
        handle.log.append_many([value_of(number)], timestamps=[number + 1])
        if number == 30:
            handle.log.sync()
    as_after_kill(where / "live", where / "killed")
    handle.close()
    active = max((where / "killed" / "t-0").glob("*.log"))
    active.write_bytes(active.read_bytes() + active.read_bytes()[:100])
    return where / "killed"


def check(directory: Path, child: Child) -> None:
    """The log opens, holds every acknowledged record and none refused, in order; and it goes on."""
    acked = [(int(line[1]), line[2].encode()) for line in child.lines if line[0] == "ack"]
    failed = {line[1].encode() for line in child.lines if line[0] == "failed"}
    tried = [line[1].encode() for line in child.lines if line[0] == "try"]
    synced = max((int(line[1]) for line in child.lines if line[0] == "synced"), default=0)
    start = max((int(line[1]) for line in child.lines if line[0] == "start"), default=0)
    with opened(directory, **SETTINGS) as log:
        rows = read_all(log)
        assert log.start_offset >= start
        assert log.end_offset >= synced
        assert log.durable_offset >= synced
        assert [row.offset for row in rows] == list(range(log.start_offset, log.end_offset))
        at = {row.offset: row.value for row in rows}
        for offset, value in acked:
            assert offset < log.start_offset or at[offset] == value
        # In the order of the calls, each at most once; one in flight may be there, none that was refused.
        values = [row.value for row in rows if row.offset >= BEFORE and row.value != UNACKNOWLEDGED]
        places = [tried.index(value) for value in values if value is not None]
        assert places == sorted(set(places))
        known = {value for _, value in acked} | set(tried[len(acked) + len(failed) :])
        assert set(values) <= known
        for row in rows[: BEFORE - log.start_offset]:
            assert row.value == value_of(row.offset)
            assert log.offset_for_time(row.timestamp) == row.offset
        end = log.append(b"goes on", timestamp=10**6)
        assert end == log.end_offset - 1
        log.append_many([b"goes on"], timestamps=[10**6])
        log.roll()
        log.append(b"goes on", timestamp=10**6)
        rows = read_all(log)
    with opened(directory, **SETTINGS) as log:
        assert log.recovery.clean
        assert read_all(log) == rows


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_killed_there(name: str, nth: int, unclean: Path, tmp_path: Path) -> None:
    shutil.copytree(unclean, tmp_path, dirs_exist_ok=True)
    with Child(
        "crash.script", "run", failpoint=f"{name}:{nth}:kill", directory=tmp_path, first=BEFORE
    ) as child:
        status = child.finish()
        if nth == 1:
            # Also holds that the name is no dead one: the script comes by it.
            assert status == -signal.SIGKILL, (status, child.errors())
        else:
            assert status in (0, -signal.SIGKILL), (status, child.errors())
        check(tmp_path, child)


@pytest.mark.parametrize("name", ["append.write", "append_one.half_stored", "index.write"])
@pytest.mark.parametrize("nth", [1, 3])
def test_torn_there(name: str, nth: int, unclean: Path, tmp_path: Path) -> None:
    shutil.copytree(unclean, tmp_path, dirs_exist_ok=True)
    with Child(
        "crash.script", "run", failpoint=f"{name}:{nth}:torn", directory=tmp_path, first=BEFORE
    ) as child:
        assert child.finish() == -signal.SIGKILL, child.errors()
        check(tmp_path, child)


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_an_error_there(name: str, nth: int, unclean: Path, tmp_path: Path) -> None:
    """Refused with a typed error at one call; the calls after it work, or say that the log must be opened anew."""
    shutil.copytree(unclean, tmp_path, dirs_exist_ok=True)
    with Child(
        "crash.script", "run", failpoint=f"{name}:{nth}:raise", directory=tmp_path, first=BEFORE
    ) as child:
        assert child.finish() == 0, child.errors()
        assert child.lines[-1] == ["done"]
        refused = [line for line in child.lines if line[0] in ("failed", "error")]
        if name == "sync.fdatasync":
            assert {line[2] for line in refused} == {"SyncFailed"}
        elif refused:
            # One error that was asked for; a failed close or open may be followed by no other.
            assert len(refused) == 1, refused
        check(tmp_path, child)


def test_unknown_names_and_actions_are_refused() -> None:
    for text in ("nowhere:1:kill", "append.write:0:kill", "append.write:1:explode", "append.write"):
        with pytest.raises(errors.InvalidConfig):
            arm_failpoints(text)
    arm_failpoints("")
