"""A forked child that is killed at its n-th system call: before it, or right behind it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable

__all__ = ["run_until"]

TRACEME, SYSCALL, SETOPTIONS, O_EXITKILL = 0, 24, 0x4200, 0x100000
_ptrace = ctypes.CDLL(None, use_errno=True).ptrace
_ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_ptrace.restype = ctypes.c_long


def _call(request: int, pid: int, data: int = 0) -> None:
    if _ptrace(request, pid, None, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def run_until(stops: int, prepare: Callable[[], Callable[[], None]]) -> bool:
    """Forks; the child calls `prepare()`, and what that returns is watched: at its `stops`-th stop it is killed.

    A system call of the child's main thread is two stops, one before and one behind. False when it ended by itself
    before. Raises AssertionError when it failed. OSError: this machine lets nobody watch.
    """
    pid = os.fork()
    if pid == 0:
        _child(prepare)
    assert _wait(pid) == signal.SIGSTOP, "the child did not get as far as the call to watch"
    _call(SETOPTIONS, pid, O_EXITKILL)
    try:
        for _ in range(stops):
            _call(SYSCALL, pid)
            stopped = _wait(pid)
            if stopped is None:
                return False
            assert stopped == signal.SIGTRAP, f"stopped by signal {stopped}"
        os.kill(pid, signal.SIGKILL)
        assert _wait(pid) is None
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    return True


def _wait(pid: int) -> int | None:
    """The signal that stopped it; None when it has ended."""
    _, status = os.waitpid(pid, 0)
    if os.WIFSTOPPED(status):
        return os.WSTOPSIG(status)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL), f"the child ended with {code}"
    return None


def _child(prepare: Callable[[], Callable[[], None]]) -> None:
    status = 1
    try:
        call = prepare()
        _call(TRACEME, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        call()
        status = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)
