"""What a run found: pytest-benchmark's JSON in, ratios and goals out."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness import Cpu

__all__ = [
    "Entry",
    "Measure",
    "Path_",
    "Ratio",
    "duration",
    "load",
    "read",
    "run_info",
    "summary",
    "times",
]

# Units of which so many were done in the time that was taken; others are amounts.
TIMES = {"records", "calls", "starts", "syncs", "keys", "partitions", "transactions", "trips"}


def duration(nanoseconds: float) -> str:
    """In the unit that reads best."""
    for limit, divisor, unit in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
        if nanoseconds < limit:
            return f"{nanoseconds / divisor:.3g} {unit}"
    return f"{nanoseconds / 1e9:.3g} s"


def times(ratio: float) -> str:
    """A ratio in as many digits as tell something."""
    if ratio >= 100:
        return f"{ratio:,.0f}"
    return f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times faster (or smaller) the first was than the second, over rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, ours: list[float], theirs: list[float]) -> Ratio:
        rounds = [b / a for a, b in zip(ours, theirs, strict=True) if a > 0]
        if not rounds:
            return cls(0.0, 0.0, 0.0)
        return cls(statistics.median(rounds), min(rounds), max(rounds))

    def __str__(self) -> str:
        return f"{times(self.median)} ({times(self.low)}–{times(self.high)})"


@dataclass(frozen=True, slots=True)
class Entry:
    """One contestant of one measure."""

    name: str
    role: str
    count: int
    wall: list[float]
    cpu: list[float]
    percentiles: list[dict[str, float]]

    @property
    def cost(self) -> float:
        """Median over the rounds: nanoseconds an operation, or the amount."""
        return statistics.median(self.wall)

    @property
    def cpu_cost(self) -> float:
        return statistics.median(self.cpu)

    def percentile(self, name: str) -> float | None:
        """Median over the rounds of a percentile, in nanoseconds; None where whole runs were timed."""
        if not self.percentiles:
            return None
        return statistics.median(each[name] for each in self.percentiles)

    def beside(self, other: Entry, percentile: str = "p50") -> Ratio:
        """Of a percentile other than the median only where single operations were timed."""
        if percentile == "p50":
            return Ratio.of(self.wall, other.wall)
        ours, theirs = ([each[percentile] for each in one.percentiles] for one in (self, other))
        return Ratio.of(ours, theirs)

    def cpu_beside(self, other: Entry) -> Ratio:
        return Ratio.of(self.cpu, other.cpu)


@dataclass(frozen=True, slots=True)
class Measure:
    """One contest: a path at one point of what is swept."""

    x: tuple[str, float] | None
    unit: str
    entries: list[Entry]
    goals: list[dict[str, Any]]
    cpu: Cpu
    left_out: dict[str, str]
    seconds: float

    def entry(self, name: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.name == name), None)

    def role(self, role: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.role == role]

    def limit(self) -> Entry | None:
        """The one that the path is held against."""
        return next(iter(self.role("limit")), None)

    def nearest_peer(self) -> Entry | None:
        return min(self.role("peer"), key=lambda peer: peer.cost, default=None)

    def reached(self, goal: dict[str, Any]) -> tuple[str, str]:
        """A verdict and what was measured. "by CPU": on a machine that is shared only processor time tells."""
        entry = self.entry(goal["who"])
        assert entry is not None  # logflume is never left out
        counts = self.cpu == "counts"
        if goal["share"] is not None:
            other = self.entry(goal["beside"])
            if other is None:
                return "not compared", f"{goal['beside']} was left out"
            wall, cpu = entry.beside(other, goal["percentile"]), entry.cpu_beside(other)
            found = f"{wall} × {goal['beside']}" + (
                f", by CPU {times(cpu.median)}" if counts else ""
            )
            return _verdict(
                wall.median >= goal["share"], counts and cpu.median >= goal["share"]
            ), found
        if goal["rate"] is not None:
            rate, by_cpu = 1e9 / entry.cost, 1e9 / max(entry.cpu_cost, 1e-3)
            found = f"{rate / 1e6:.2f} M/s" + (f", by CPU {by_cpu / 1e6:.2f}" if counts else "")
            return _verdict(rate >= goal["rate"], counts and by_cpu >= goal["rate"]), found
        cost = entry.percentile(goal["percentile"])
        cost = entry.cost if cost is None else cost
        found = duration(cost) if self.unit in TIMES else f"{cost:.3g} {self.unit}"
        return _verdict(cost <= goal["at_most"]), found


def _verdict(by_wall: bool, by_cpu: bool = False) -> str:
    return "reached" if by_wall else "by CPU" if by_cpu else "missed"


@dataclass(frozen=True, slots=True)
class Path_:
    """A path with its measures, by the swept quantity; `file`: the benchmark that measured it."""

    title: str
    about: str
    unit: str
    file: str
    measures: list[Measure]

    @property
    def is_amount(self) -> bool:
        return self.unit not in TIMES

    def at(self, x: float | None) -> Measure | None:
        """The measure at a point of what is swept, or the only one."""
        if x is None:
            return self.measures[0]
        return next((m for m in self.measures if m.x is not None and m.x[1] == x), None)


def load(run: dict[str, Any]) -> list[Path_]:
    """The paths of a run, in the order in which they were measured."""
    found: dict[str, Path_] = {}
    for bench in run["benchmarks"]:
        contest = bench["extra_info"].get("contest")
        if contest is None:
            continue
        title, file = contest["path"], Path(bench["fullname"].partition("::")[0]).stem
        new = Path_(title, contest["about"], contest["unit"], file, [])
        path = found.setdefault(title, new)
        entries = [Entry(**each) for each in contest["contestants"]]
        x = None if contest["x"] is None else (contest["x"][0], float(contest["x"][1]))
        path.measures.append(
            Measure(
                x,
                contest["unit"],
                entries,
                contest["goals"],
                contest["cpu"],
                contest["left_out"],
                contest["seconds"],
            )
        )
    return list(found.values())


def run_info(run: dict[str, Any]) -> dict[str, Any]:
    """Machine, versions and time of a run."""
    machine = run["machine_info"]
    return {
        "date": run["datetime"][:19],
        "commit": run["commit_info"].get("id", "?")[:12],
        "python": machine["python_version"],
        "system": f"{machine['system']} {machine['release']}",
        "cpu": machine["cpu"].get("brand_raw", machine["processor"]),
        "cores": machine["cpu"].get("count"),
    }


def summary(paths: Iterable[Path_]) -> list[dict[str, Any]]:
    """The same as plain data, for latest.json."""

    def ratio(found: Ratio) -> dict[str, float]:
        return {"median": found.median, "min": found.low, "max": found.high}

    def entry(each: Entry, measure: Measure) -> dict[str, Any]:
        out: dict[str, Any] = {
            "name": each.name,
            "role": each.role,
            "count": each.count,
            "wall": each.cost,
            "cpu": each.cpu_cost if measure.cpu != "unseen" else None,
            "rounds": each.wall,
        }
        for name in ("p50", "p99", "p99.9"):
            if (value := each.percentile(name)) is not None:
                out[name] = value
        if each.role == "logflume":
            out["beside"] = {
                other.name: {
                    "wall": ratio(each.beside(other)),
                    "cpu": ratio(each.cpu_beside(other)),
                }
                for other in measure.entries
                if other.role != "logflume"
            }
        return out

    return [
        {
            "path": path.title,
            "about": path.about,
            "unit": path.unit,
            "measures": [
                {
                    "x": measure.x,
                    "seconds": measure.seconds,
                    "left_out": measure.left_out,
                    "entries": [entry(each, measure) for each in measure.entries],
                    "goals": [
                        {"who": g["who"], "goal": g["text"], "verdict": verdict, "measured": said}
                        for g in measure.goals
                        for verdict, said in [measure.reached(g)]
                    ],
                }
                for measure in path.measures
            ],
        }
        for path in paths
    ]


def read(*paths: Path) -> dict[str, Any]:
    """A run; of several files, the paths of all, and what the last says of the machine."""
    runs: list[dict[str, Any]] = [json.loads(path.read_text()) for path in paths]
    return {**runs[-1], "benchmarks": [one for run in runs for one in run["benchmarks"]]}
