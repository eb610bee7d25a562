"""Contests: logflume, its limit and its peers do the same job in turn, round after round.

A contestant is opened (untimed), run (timed) and closed (untimed) in each round, in a directory of its own
that is deleted behind it, so that everybody finds the same recycled pages. The order rotates. Rounds belong
together: ratios are taken within a round, then median, minimum and maximum over the rounds. A limit or a peer that
fails is left out, with its reason; the others go on.
"""

from __future__ import annotations

import gc
import resource
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy

__all__ = [
    "Amount",
    "Contest",
    "Contestant",
    "Cpu",
    "Goal",
    "Role",
    "Scale",
    "Times",
    "Took",
    "fixed",
]

Role = Literal["logflume", "limit", "peer"]
# What processor time is good for. "counts": a goal may be reached by it, on a busy machine; "shown": the disk or
# another thread is waited for, so that it says how much work it was, and no more; "unseen": others' processes work.
Cpu = Literal["counts", "shown", "unseen"]
Job = Callable[[], object]
Opener = Callable[[Path], AbstractContextManager[Job]]


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured. `seconds`: aim of one run of one contestant; `bytes_max`: what it may write."""

    name: str
    seconds: float
    rounds: int
    bytes_max: int

    def count(self, rate: float, size: int = 100) -> int:
        """Records for one run at about `rate` records of 100 bytes a second, fewer when `size` is larger."""
        per_second = 1 / (1 / rate + max(size - 100, 0) / 1e9)
        return max(50, min(int(per_second * self.seconds), self.bytes_max // size))


QUICK = Scale("quick", seconds=0.018, rounds=5, bytes_max=16 << 20)
FULL = Scale("full", seconds=0.1, rounds=5, bytes_max=32 << 20)


@dataclass(frozen=True, slots=True)
class Times:
    """What a job returns when single operations matter: nanoseconds of each. The median is compared."""

    nanoseconds: Any


@dataclass(frozen=True, slots=True)
class Amount:
    """What a job returns when it did not race: a quantity of which less is better."""

    value: float


@dataclass(frozen=True, slots=True)
class Took:
    """What a job returns when it measured itself: seconds of all its operations, without its preparations.

    `cpu_seconds`: processor time, where the work is in another process that goes on.
    """

    seconds: float
    cpu_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """From the table of speeds to reach. `rate`: records/s of `who` at least; `share`: of `beside`'s speed at
    least; `at_most`: in the contest's unit (nanoseconds, MB); `percentile`: of what is held to it, where single
    operations are timed."""

    who: str
    text: str
    rate: float | None = None
    beside: str | None = None
    share: float | None = None
    at_most: float | None = None
    percentile: str = "p50"


@dataclass(frozen=True, slots=True)
class Contestant:
    """`count`: operations of one run; `open(directory)`: a context manager that yields the job."""

    name: str
    role: Role
    count: int
    open: Opener


def fixed(name: str, role: Role, count: int, job: Job) -> Contestant:
    """A contestant that needs nothing opened."""

    @contextmanager
    def open_(_: Path) -> Iterator[Job]:
        yield job

    return Contestant(name, role, count, open_)


@dataclass(slots=True)
class Score:
    """Nanoseconds an operation, one item a round."""

    name: str
    role: Role
    count: int
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    percentiles: list[dict[str, float]] = field(default_factory=list)

    def add(self, wall: float, cpu: float, result: object) -> None:
        if isinstance(result, Took) and result.cpu_seconds is not None:
            cpu = result.cpu_seconds
        self.cpu.append(cpu / self.count * 1e9)
        if isinstance(result, Amount):
            self.wall.append(result.value)
            return
        if isinstance(result, Took):
            wall = result.seconds
        if not isinstance(result, Times):
            self.wall.append(wall / self.count * 1e9)
            return
        found = numpy.percentile(numpy.asarray(result.nanoseconds), [50, 99, 99.9])
        self.percentiles.append(dict(zip(("p50", "p99", "p99.9"), map(float, found), strict=True)))
        self.wall.append(float(found[0]))


def cpu_seconds() -> float:
    """Processor time of this process and of those children that ended."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


class Contest:
    """The fixture `contest`. `run` measures and hangs the scores to pytest-benchmark's report."""

    def __init__(self, benchmark: Any, scale: Scale, where: Path) -> None:
        self.benchmark = benchmark
        self.scale = scale
        self.where = where
        self._turn = 0
        self._scores: dict[str, Score] = {}
        self._left_out: dict[str, str] = {}

    def run(
        self,
        path: str,
        contestants: Sequence[Contestant],
        *,
        about: str,
        unit: str = "records",
        x: tuple[str, float] | None = None,
        goals: Sequence[Goal] = (),
        rounds: int | None = None,
        warmup: bool = True,
        cpu: Cpu = "counts",
    ) -> None:
        """`path`: the chart's title; `about`: what is done; `x`: the swept quantity and its value here;
        `unit`: what is counted, or for an Amount its unit; the first contestant is what the ratios are about."""
        began = time.perf_counter()
        first = contestants[0]
        self._scores = {c.name: Score(c.name, c.role, c.count) for c in contestants}
        self._turn = 0 if warmup else 1
        with ExitStack() as stack:

            def in_turn() -> tuple[Sequence[Contestant], Sequence[Contestant]]:
                """Who comes before the first and who behind it, in this round."""
                at = self._turn % len(contestants)
                order = [*contestants[at:], *contestants[:at]]
                place = order.index(first)
                return order[:place], order[place + 1 :]

            def setup() -> tuple[tuple[Job], dict[str, Any]]:
                self._race(in_turn()[0])
                job = stack.enter_context(first.open(self._fresh()))
                gc.collect()
                return (job,), {}

            def teardown(_job: Job) -> None:
                stack.pop_all().close()
                self._race(in_turn()[1])
                self._turn += 1

            self.benchmark.group = path
            self.benchmark.pedantic(
                lambda job: self._timed(self._scores[first.name], job),
                setup=setup,
                teardown=teardown,
                rounds=rounds or self.scale.rounds,
                warmup_rounds=int(warmup),
            )
        self.benchmark.extra_info["contest"] = {
            "path": path,
            "about": about,
            "unit": unit,
            "x": x,
            "cpu": cpu,
            "seconds": time.perf_counter() - began,
            "goals": [asdict(goal) for goal in goals],
            "left_out": self._left_out,
            "contestants": [
                asdict(score) for name, score in self._scores.items() if name not in self._left_out
            ],
        }

    def _race(self, others: Sequence[Contestant]) -> None:
        for other in others:
            if other.name in self._left_out:
                continue
            try:
                with other.open(self._fresh()) as job:
                    self._timed(self._scores[other.name], job)
            except Exception as error:
                if other.role == "logflume":
                    raise
                self._left_out[other.name] = f"{type(error).__name__}: {error}"

    def _timed(self, score: Score, job: Job) -> None:
        gc.collect()
        cpu, wall = cpu_seconds(), time.perf_counter()
        result = job()
        wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
        if self._turn:  # the first round warms up
            score.add(wall, cpu, result)

    def _fresh(self) -> Path:
        """An empty directory; what the one before left is deleted."""
        target = self.where / "contestant"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        return target
