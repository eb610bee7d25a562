"""What a run found: pytest-benchmark's JSON in, ratios and goals out."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Entry", "Measure", "Path_", "Ratio", "duration", "load", "read", "run_info", "summary"]

TIMES = {"records", "calls", "starts", "syncs"}  # units that are counted; others are amounts


def duration(nanoseconds: float) -> str:
    """In the unit that reads best."""
    for limit, divisor, unit in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
        if nanoseconds < limit:
            return f"{nanoseconds / divisor:.3g} {unit}"
    return f"{nanoseconds / 1e9:.3g} s"


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
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"


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

    def beside(self, other: Entry) -> Ratio:
        return Ratio.of(self.wall, other.wall)

    def cpu_beside(self, other: Entry) -> Ratio:
        return Ratio.of(self.cpu, other.cpu)


@dataclass(frozen=True, slots=True)
class Measure:
    """One contest: a path at one point of what is swept."""

    x: tuple[str, float] | None
    entries: list[Entry]
    goals: list[dict[str, Any]]
    has_cpu: bool = True

    def entry(self, name: str) -> Entry:
        return next(entry for entry in self.entries if entry.name == name)

    def role(self, role: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.role == role]

    def reached(self, goal: dict[str, Any]) -> tuple[str, str]:
        """A verdict and what was measured. "by CPU": on a machine that is shared only processor time tells."""
        entry = self.entry(goal["who"])
        if goal["share"] is not None:
            other = self.entry(goal["beside"])
            wall, cpu = entry.beside(other), entry.cpu_beside(other)
            found = f"{wall} × {goal['beside']}"
            if not self.has_cpu:
                return _verdict(wall.median >= goal["share"]), found
            found += f", by CPU {cpu.median:.2f}"
            return _verdict(wall.median >= goal["share"], cpu.median >= goal["share"]), found
        if goal["rate"] is not None:
            rate, by_cpu = 1e9 / entry.cost, 1e9 / max(entry.cpu_cost, 1e-3)
            found = f"{rate / 1e6:.2f} M/s, by CPU {by_cpu / 1e6:.2f}"
            return _verdict(rate >= goal["rate"], by_cpu >= goal["rate"]), found
        return _verdict(entry.cost <= goal["at_most"]), duration(entry.cost)


def _verdict(by_wall: bool, by_cpu: bool = False) -> str:
    return "reached" if by_wall else "by CPU" if by_cpu else "missed"


@dataclass(frozen=True, slots=True)
class Path_:
    """A path with its measures, by the swept quantity."""

    title: str
    about: str
    unit: str
    measures: list[Measure]

    @property
    def is_amount(self) -> bool:
        return self.unit not in TIMES


def load(run: dict[str, Any]) -> list[Path_]:
    """The paths of a run, in the order in which they were measured."""
    found: dict[str, Path_] = {}
    for bench in run["benchmarks"]:
        contest = bench["extra_info"].get("contest")
        if contest is None:
            continue
        path = found.setdefault(
            contest["path"], Path_(contest["path"], contest["about"], contest["unit"], [])
        )
        entries = [Entry(**each) for each in contest["contestants"]]
        x = None if contest["x"] is None else (contest["x"][0], float(contest["x"][1]))
        path.measures.append(Measure(x, entries, contest["goals"], contest["cpu"]))
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
            "cpu": each.cpu_cost if measure.has_cpu else None,
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
