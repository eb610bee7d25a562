"""Who lives is seen by all, and death frees what was held."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from logflume.log.presence import Presence


@pytest.fixture
def pair(tmp_path: Path):
    mine, theirs = Presence(str(tmp_path)), Presence(str(tmp_path))
    yield mine, theirs
    mine.close()
    theirs.close()


def test_alive_for_oneself_and_for_others_until_released(pair) -> None:
    mine, theirs = pair
    mine.hold(1_000_000_007, 3)
    assert mine.is_alive(1_000_000_007, 3)
    assert theirs.is_alive(1_000_000_007, 3)
    assert not theirs.is_alive(1_000_000_007, 2)
    assert not theirs.is_alive(1_000_000_008, 3)
    mine.release(1_000_000_007, 3)
    assert not theirs.is_alive(1_000_000_007, 3)
    mine.release(1_000_000_007, 3)


def test_closing_lets_go_of_all(pair) -> None:
    mine, theirs = pair
    for epoch in range(3):
        mine.hold(5, epoch)
    mine.close()
    assert not any(theirs.is_alive(5, epoch) for epoch in range(3))


def test_the_largest_ids_have_their_byte(pair) -> None:
    mine, theirs = pair
    mine.hold((1 << 47) - 1, 32767)
    assert theirs.is_alive((1 << 47) - 1, 32767)


def test_death_frees_it_and_a_childs_copy_does_not_keep_it(tmp_path: Path, pair) -> None:
    mine, _ = pair
    read, write = os.pipe()
    holder = os.fork()
    if holder == 0:
        theirs = Presence(str(tmp_path))
        theirs.hold(9, 0)
        grandchild = os.fork()
        if grandchild == 0:
            theirs.forget()
            os.write(write, b"%d" % os.getpid())
            signal.pause()
        signal.pause()
    grandchild = int(os.read(read, 20))
    try:
        assert mine.is_alive(9, 0)
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
        assert not mine.is_alive(9, 0)
    finally:
        os.kill(grandchild, signal.SIGKILL)
