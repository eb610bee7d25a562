"""Histories of processes: forked actors at their own pace, some stopped for a while, some killed at any moment."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import select
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from checker.actors import last_look, make
from checker.history import Event, FileRecorder, merge
from checker.ports import Log

__all__ = ["Crowd"]

HANG_S = 30.0
PRCTL, PR_SET_PDEATHSIG = ctypes.CDLL(None).prctl, 1  # no actor outlives its director


class Crowd:
    """One history in `where`. The caller has no log open and no threads: actors are forked from it.

    `enter` is called in the child and gives it its log; `sabotage` too, before that.
    """

    def __init__(
        self,
        where: Path,
        rng: random.Random,
        enter: Callable[[str], Log],
        *,
        cast: tuple[str, ...],
        places: list[str],
        sabotage: Callable[[], None] = lambda: None,
    ) -> None:
        self.where, self.rng, self.enter = where, rng, enter
        self.cast, self.places, self.sabotage = cast, places, sabotage
        where.mkdir(parents=True, exist_ok=True)
        self.recorder = FileRecorder(where / "director.jsonl")
        self.born = dict.fromkeys(cast, 0)
        self.living: dict[str, int] = {}
        self.current: dict[str, str] = {}
        self.paused: dict[str, float] = {}

    def note(self, kind: str, **data: object) -> None:
        self.recorder.note("director", kind, **data)

    # ---- processes

    def spawn(self, slot: str) -> None:
        name = f"{slot}'{self.born[slot]}" if self.born[slot] else slot
        self.born[slot] += 1
        seed = self.rng.randrange(1 << 30)
        self._fork(name, lambda: self._perform(name, seed))
        self.current[slot] = name

    def _fork(self, name: str, work: Callable[[], None]) -> None:
        # Until the child has its handler, a SIGTERM waits.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            self.living[name] = pid
            return
        status = 1
        try:
            PRCTL(PR_SET_PDEATHSIG, signal.SIGKILL)
            work()
            status = 0
        except BaseException:
            (self.where / f"{name}.failed").write_text(traceback.format_exc())
        finally:
            os._exit(status)

    def _perform(self, name: str, seed: int) -> None:
        """In the child: steps until SIGTERM, then a good end."""
        wanted = [True]
        signal.signal(signal.SIGTERM, lambda *_: wanted.clear())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        self.sabotage()
        recorder = FileRecorder(self.where / f"{name}.jsonl")
        log = self.enter(name)
        rng = random.Random(seed)
        actor = make(log, recorder, rng, name, self.places)
        while wanted:
            actor.step()
            if rng.random() < 0.2:
                time.sleep(rng.uniform(0, 0.002))
        actor.finish()
        log.close()

    def _last(self, groups: list[str]) -> None:
        self.sabotage()
        recorder = FileRecorder(self.where / "last.jsonl")
        log = self.enter("last")
        last_look(log, recorder, self.places, groups)
        log.close()

    def _wait(self, name: str, seconds: float) -> None:
        """For the end of a process; notes a hang or a failure."""
        pid = self.living.pop(name)
        fd = os.pidfd_open(pid)
        try:
            if not select.select([fd], [], [], seconds)[0]:
                self.note("failed", whom=name, why=f"hangs for {seconds:g} s: {_stack(pid)}")
                os.kill(pid, signal.SIGKILL)
        finally:
            os.close(fd)
        _, status = os.waitpid(pid, 0)
        failed = self.where / f"{name}.failed"
        if failed.exists():
            self.note("failed", whom=name, why=failed.read_text())
        elif os.WIFSIGNALED(status) and os.WTERMSIG(status) != signal.SIGKILL:
            self.note("failed", whom=name, why=f"ended by signal {os.WTERMSIG(status)}")

    # ---- the play

    def play(self, seconds: float, *, kills: float = 20.0, pauses: float = 10.0) -> list[Event]:
        """Runs for `seconds` with so many kills and pauses a second (about), ends everything, looks at the end."""
        try:
            for slot in self.cast:
                self.spawn(slot)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                time.sleep(self.rng.uniform(0, 2 / (kills + pauses + 1)))
                self._resume(time.monotonic())
                dice = self.rng.uniform(0, kills + pauses + 1)
                slot = self.rng.choice(self.cast)
                if dice < kills:
                    self._kill(slot)
                elif dice < kills + pauses:
                    self._pause(slot)
            self._resume(float("inf"))
            for pid in self.living.values():
                os.kill(pid, signal.SIGTERM)
            for name in list(self.living):
                self._wait(name, HANG_S)
            groups = ["movers"] if any(slot.startswith("mover") for slot in self.cast) else []
            self._fork("last", lambda: self._last(groups))
            self._wait("last", HANG_S)
        finally:
            self.close()
        return merge(sorted(self.where.glob("*.jsonl")))

    def _kill(self, slot: str) -> None:
        name = self.current[slot]
        # Not before it has got somewhere: on a busy machine nothing else would happen than births and deaths.
        if name not in self.living or self._written(name) < self.rng.randrange(6000):
            return
        os.kill(self.living[name], signal.SIGKILL)
        self.note("killed", whom=name)
        self._wait(name, HANG_S)
        self.paused.pop(name, None)
        self.spawn(slot)

    def _written(self, name: str) -> int:
        """Bytes of history that it has recorded."""
        path = self.where / f"{name}.jsonl"
        return path.stat().st_size if path.exists() else 0

    def _pause(self, slot: str) -> None:
        """Stops one for a while; now and then its successor starts meanwhile."""
        name = self.current[slot]
        if name not in self.living or name in self.paused:
            return
        os.kill(self.living[name], signal.SIGSTOP)
        self.note("paused", whom=name)
        self.paused[name] = time.monotonic() + self.rng.uniform(0, 0.2)
        if slot.startswith("txn") and self.rng.random() < 0.3:
            self.spawn(slot)

    def _resume(self, now: float) -> None:
        for name, until in list(self.paused.items()):
            if until <= now:
                del self.paused[name]
                self.note("resumed", whom=name)
                os.kill(self.living[name], signal.SIGCONT)

    def close(self) -> None:
        """Nothing is left running."""
        for pid in self.living.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.living.clear()
        self.recorder.close()


def _stack(pid: int) -> str:
    """Where the kernel has it waiting."""
    try:
        return Path(f"/proc/{pid}/wchan").read_text()
    except OSError:
        return "?"
