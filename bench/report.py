"""Turns a run into bench/results/latest.json, docs/benchmarks.md and its charts.

    .venv/bin/python -m bench.report build/bench.json [--print]

With --print the tables go to standard output and no file is written.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from bench.results import Entry, Measure, Path_, duration, load, read, run_info, summary

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
HEAD = """# Benchmarks

Written by `make bench` ({date}, commit {commit}; {cpu}, {cores} cores, Python {python}, {system}, scale {scale}).
Pages of their own: [the broker beside a real Kafka](benchmarks/broker.md), [its soak](benchmarks/broker-soak.md),
[the agent beside a real Flume](benchmarks/agent.md).
[bench/README.md](../bench/README.md) says what is measured and how to read it: ratios within a run count, rates
only show the order. A ratio is logflume's speed over the other's in the same round: median (minimum–maximum).
`limit` marks C loops that do the least work possible, `peer` others that keep records.

## Goals

{goals}

## Beside the limit and the nearest peer

{nearest}
"""

PAGE_HEAD = """# Benchmarks: {name}

Written by `make bench-{name}` ({date}, commit {commit}; {cpu}, {cores} cores, Python {python}, {system}).
[bench/README.md](../../bench/README.md) says how to read it: ratios within a run count, rates only show the order.

## Goals

{goals}
"""


def shown(entry: Entry, path: Path_) -> str:
    """A cost in the unit that reads best."""
    if path.is_amount:
        return f"{entry.cost:.4g} {path.unit}"
    if path.unit == "records":
        return f"{1000 / entry.cost:.3g} M/s ({duration(entry.cost)})"
    return duration(entry.cost)


def tail(entry: Entry) -> str:
    found = [entry.percentile(name) for name in ("p99", "p99.9")]
    return " / ".join(f"{value / 1000:.0f}" for value in found if value is not None)


def table(measure: Measure, path: Path_) -> list[str]:
    """Every contestant, and beside the others each of logflume's ways."""
    ways = measure.role("logflume")
    has_tail = any(entry.percentiles for entry in measure.entries)
    # Against every way there would be too many columns: the first one is what the path is about.
    first = ways[0]
    cpu = measure.has_cpu and not path.is_amount
    better = "smaller" if path.is_amount else "faster"
    columns = ["", "", "cost", f"{first.name} is × {better}"]
    if has_tail:
        columns.append("p99 / p99.9 µs")
    if cpu:
        columns += ["CPU", "× by CPU"]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for entry in measure.entries:
        same = entry is first
        cells = [
            entry.name,
            "" if entry.role == "logflume" else entry.role,
            shown(entry, path),
            "" if same else str(first.beside(entry)),
        ]
        if has_tail:
            cells.append(tail(entry))
        if cpu:
            cells += [duration(entry.cpu_cost), "" if same else str(first.cpu_beside(entry))]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def goals_table(paths: list[Path_]) -> list[str]:
    lines = ["| Path | Way | Goal | Measured | |", "|---|---|---|---|---|"]
    for path in paths:
        for measure in path.measures:
            for goal in measure.goals:
                verdict, said = measure.reached(goal)
                mark = verdict if verdict != "missed" else "**missed**"
                lines.append(f"| {path.title} | {goal['who']} | {goal['text']} | {said} | {mark} |")
    return lines


def nearest_table(paths: list[Path_]) -> list[str]:
    """Each way of logflume's beside the first limit and the peer that came nearest: × faster, by wall time."""
    lines = [
        "| Path | Way | Cost | Beside the limit | Beside the nearest peer |",
        "|---|---|---|---|---|",
    ]
    for path in paths:
        for measure in path.measures:
            at = "" if measure.x is None else f", {measure.x[1]:,.0f} {measure.x[0]}"
            limits, peers = measure.role("limit"), measure.role("peer")
            nearest = min(peers, key=lambda peer: peer.cost, default=None)
            for entry in measure.role("logflume"):
                limit = f"{entry.beside(limits[0])} {limits[0].name}" if limits else ""
                peer = f"{entry.beside(nearest)} {nearest.name}" if nearest else ""
                cost = shown(entry, path)
                lines.append(f"| {path.title}{at} | {entry.name} | {cost} | {limit} | {peer} |")
    return lines


def rounded(value: Any) -> Any:
    """Four digits: no run is more exact."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list) else value


def slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def section(path: Path_, chart: str | None) -> list[str]:
    lines = [f"## {path.title}", "", f"{path.about[0].upper()}{path.about[1:]}.", ""]
    if chart is not None:
        lines += [f"![{path.title}]({chart})", ""]
    for measure in path.measures:
        if measure.x is not None:
            lines += [f"**{measure.x[1]:,.0f} {measure.x[0]}**", ""]
        lines += [*table(measure, path), ""]
    return lines


def write(run: dict[str, Any], paths: list[Path_], scale: str) -> None:
    from bench.charts import draw

    info = run_info(run) | {"scale": scale}
    results = ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    out = json.dumps(rounded({"run": info, "paths": summary(paths)}), ensure_ascii=False)
    out = (
        out.replace('{"path"', '\n{"path"')
        .replace('{"x"', '\n {"x"')
        .replace('{"name"', '\n  {"name"')
    )
    (results / "latest.json").write_text(out + "\n")
    charts = DOCS / "benchmarks"
    charts.mkdir(exist_ok=True)
    for old in charts.glob("*.svg"):
        old.unlink()
    text = HEAD.format(
        **info, goals="\n".join(goals_table(paths)), nearest="\n".join(nearest_table(paths))
    )
    for path in paths:
        name = f"{slug(path.title)}.svg"
        draw(path, charts / name)
        text += "\n" + "\n".join(section(path, f"benchmarks/{name}"))
    (DOCS / "benchmarks.md").write_text(text.rstrip() + "\n")
    print(f"wrote {results / 'latest.json'}, {DOCS / 'benchmarks.md'} and {len(paths)} charts")


def write_page(run: dict[str, Any], paths: list[Path_], name: str) -> None:
    """docs/benchmarks/NAME.md and bench/results/NAME.json, of paths that have a make target of their own."""
    info = run_info(run) | {"scale": "full"}
    out = json.dumps(rounded({"run": info, "paths": summary(paths)}), ensure_ascii=False, indent=1)
    (ROOT / "bench" / "results" / f"{name}.json").write_text(out + "\n")
    text = PAGE_HEAD.format(**info, name=name, goals="\n".join(goals_table(paths)))
    for path in paths:
        text += "\n" + "\n".join(section(path, None))
    (DOCS / "benchmarks" / f"{name}.md").write_text(text.rstrip() + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, nargs="+", help="what --benchmark-json wrote")
    parser.add_argument("--scale", default="full")
    parser.add_argument("--print", action="store_true", dest="only_print")
    parser.add_argument("--page", help="a page and results of this name, without charts")
    given = parser.parse_args()
    run = read(*given.run)
    paths = load(run)
    if given.page is not None:
        write_page(run, paths, given.page)
        return
    if not given.only_print:
        write(run, paths, given.scale)
        return
    for path in paths:
        print("\n".join(section(path, None)))
    print("\n".join([*goals_table(paths), "", *nearest_table(paths)]))


if __name__ == "__main__":
    main()
