"""Tables of a run in Markdown: contestants of a path, goals, what is nearest."""

from __future__ import annotations

from collections.abc import Iterable

from bench.results import Entry, Measure, Path_, duration, times

__all__ = ["goal_counts", "goals_table", "nearest_table", "section", "shown", "table"]


def shown(entry: Entry, unit: str, is_amount: bool) -> str:
    """A cost in the unit that reads best."""
    if is_amount:
        return f"{entry.cost:.3g} {unit}"
    if unit == "records":
        return f"{1000 / entry.cost:.3g} M/s ({duration(entry.cost)})"
    return duration(entry.cost)


def _tail(entry: Entry) -> str:
    found = [entry.percentile(name) for name in ("p99", "p99.9")]
    return " / ".join(f"{value / 1000:.0f}" for value in found if value is not None)


def table(measure: Measure, path: Path_) -> list[str]:
    """Every contestant, and beside the others the first of logflume's ways."""
    first = measure.role("logflume")[0]
    has_tail = any(entry.percentiles for entry in measure.entries)
    has_cpu = measure.cpu != "unseen" and not path.is_amount
    columns = ["", "", "cost", f"{first.name} is × {'smaller' if path.is_amount else 'faster'}"]
    columns += ["p99 / p99.9 µs"] if has_tail else []
    columns += ["CPU", "× by CPU"] if has_cpu else []
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for entry in measure.entries:
        same = entry is first
        role = "" if entry.role == "logflume" else entry.role
        cost = shown(entry, path.unit, path.is_amount)
        cells = [entry.name, role, cost, "" if same else str(first.beside(entry))]
        cells += [_tail(entry)] if has_tail else []
        if has_cpu:
            cells += [duration(entry.cpu_cost), "" if same else str(first.cpu_beside(entry))]
        lines.append("| " + " | ".join(cells) + " |")
    if measure.left_out:
        left = "; ".join(f"{name} ({reason})" for name, reason in measure.left_out.items())
        lines += ["", f"Left out, as it failed: {left}."]
    return lines


def _point(measure: Measure) -> str:
    return "" if measure.x is None else f"{measure.x[1]:,.0f} {measure.x[0]}"


def section(path: Path_, chart: str | None) -> list[str]:
    """A path: what is done, its chart, and its tables, folded away under the chart."""
    lines = [f"### {path.title}", "", f"{path.about[0].upper()}{path.about[1:]}.", ""]
    if chart is not None:
        lines += [f"![{path.title}]({chart})", "", "<details><summary>Figures</summary>", ""]
    for measure in path.measures:
        if measure.x is not None:
            lines += [f"**{_point(measure)}**", ""]
        lines += [*table(measure, path), ""]
    return [*lines, "</details>", ""] if chart is not None else lines


def _beside(entry: Entry, other: Entry | None) -> str:
    return "" if other is None else f"{times(entry.beside(other).median)} × {other.name}"


def goals_table(paths: Iterable[Path_]) -> list[str]:
    """Every goal, whether it is reached, and how far the limit is from what it was measured on."""
    lines = [
        "| Path | Way | Goal | Measured | | Speed beside the limit |",
        "|---|---|---|---|---|---|",
    ]
    for path in paths:
        for measure in path.measures:
            at = f", {_point(measure)}" if len(path.measures) > 1 else ""
            for goal in measure.goals:
                verdict, said = measure.reached(goal)
                entry, limit = measure.entry(goal["who"]), measure.limit()
                beside = "" if entry is None else _beside(entry, limit)
                mark = verdict if verdict == "reached" else f"**{verdict}**"
                lines.append(
                    f"| {path.title}{at} | {goal['who']} | {goal['text']} | {said} | {mark} | {beside} |"
                )
    return lines


def goal_counts(paths: Iterable[Path_]) -> dict[str, int]:
    """How many goals have which verdict."""
    counts: dict[str, int] = {}
    for path in paths:
        for measure in path.measures:
            for goal in measure.goals:
                verdict, _ = measure.reached(goal)
                counts[verdict] = counts.get(verdict, 0) + 1
    return counts


def nearest_table(paths: Iterable[Path_]) -> list[str]:
    """Each way of logflume's beside the first limit and the peer that came nearest: × faster, by wall time."""
    lines = ["| Path | Way | Cost | Beside the limit | Nearest peer |", "|---|---|---|---|---|"]
    for path in paths:
        for measure in path.measures:
            at = "" if measure.x is None else f", {_point(measure)}"
            limit, peer = measure.limit(), measure.nearest_peer()
            for entry in measure.role("logflume"):
                beside = [
                    "" if other is None else f"{entry.beside(other)} {other.name}"
                    for other in (limit, peer)
                ]
                cost = shown(entry, path.unit, path.is_amount)
                lines.append(f"| {path.title}{at} | {entry.name} | {cost} | {' | '.join(beside)} |")
    return lines
