"""Turns runs into bench/results/latest.json, docs/benchmarks.md, its charts, and the figures in README.md.

    .venv/bin/python -m bench.report build/bench/runs/*.json [--print | --page NAME]

With --print the tables go to standard output and no file is written.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from bench.chapters import in_chapters
from bench.results import Path_, load, read, run_info, summary
from bench.summary import readme, summary_table
from bench.tables import goal_counts, goals_table, nearest_table, section

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
RESULTS = ROOT / "bench" / "results"
HEAD = """# Benchmarks

logflume beside the physical limit of each path and beside what else keeps records, in one run on one machine. Ratios
are logflume's speed over the other's, medians of the rounds; 100 bytes a value where nothing else is said.

{summary}

A **limit** is a loop in C that does the least work possible for the same end: a ratio of 1 cannot be beaten by better
code, only by less work. [bench/README.md](../bench/README.md) says what each is, what the peers promise, and how to
read all this: ratios within a run count, rates only show the order.

Written by `make bench`, {minutes:.0f} minutes of it measuring ({date}, commit {commit}; {cpu}, {cores} cores,
Python {python}, {system}, scale {scale}). Pages of their own: [the broker beside a real Kafka](benchmarks/broker.md),
[the agent beside a real Flume](benchmarks/agent.md), [the broker's soak](benchmarks/broker-soak.md).

{contents}

## Goals

{counts}. What stands between the missed ones and their goal:
[decision 016](decisions/016-what-made-writing-faster.md), [017](decisions/017-first-look-ups.md). "By CPU" is a goal
that is reached in processor time only, which is what a busy machine can tell; where the disk or another thread is
waited for, only the clock counts.

{goals}
{pages}"""

PAGE_HEAD = """# Benchmarks: {name}

Written by `make bench-{name}` ({date}, commit {commit}; {cpu}, {cores} cores, Python {python}, {system}).
[bench/README.md](../../bench/README.md) says how to read it: ratios within a run count, rates only show the order.

## Goals

{goals}

## Paths

"""
PAGES = {"broker": "The broker beside a real Kafka", "agent": "The agent beside a real Flume"}


def said(counts: dict[str, int]) -> str:
    """ "40 reached, 2 missed"."""
    order = ("reached", "by CPU", "missed", "not compared")
    return (
        ", ".join(f"{counts[word]} {word}" for word in order if word in counts) or "None measured"
    )


def of_pages() -> list[str]:
    """The goals that pages of their own hold, from what their last runs left."""
    lines = []
    for name, title in PAGES.items():
        file = RESULTS / f"{name}.json"
        if not file.exists():
            continue
        run = json.loads(file.read_text())
        lines += [
            "",
            f"**{title}** ([page](benchmarks/{name}.md), run of {run['run']['date']}):",
            "",
        ]
        lines += ["| Path | Goal | Measured | |", "|---|---|---|---|"]
        for path in run["paths"]:
            for goal in (goal for measure in path["measures"] for goal in measure["goals"]):
                mark = goal["verdict"] if goal["verdict"] == "reached" else f"**{goal['verdict']}**"
                lines.append(f"| {path['path']} | {goal['goal']} | {goal['measured']} | {mark} |")
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


def page(info: dict[str, Any], paths: list[Path_]) -> str:
    """docs/benchmarks.md."""
    chapters = in_chapters(paths)
    links = [f"[{chapter}](#{slug(chapter)})" for chapter in ["Goals", *chapters]]
    text = HEAD.format(
        **info,
        minutes=sum(measure.seconds for path in paths for measure in path.measures) / 60,
        summary="\n".join(summary_table(paths)),
        contents=" · ".join(links),
        counts=said(goal_counts(paths)),
        goals="\n".join(goals_table(path for some in chapters.values() for path in some)),
        pages="\n".join(of_pages()),
    )
    for chapter, some in chapters.items():
        text += f"\n\n## {chapter}\n"
        for path in some:
            text += "\n" + "\n".join(section(path, f"benchmarks/{slug(path.title)}.svg")).rstrip()
            text += "\n"
    return text.rstrip() + "\n"


def write(run: dict[str, Any], paths: list[Path_], scale: str) -> None:
    from bench.charts import draw

    info = run_info(run) | {"scale": scale}
    RESULTS.mkdir(exist_ok=True)
    out = json.dumps(rounded({"run": info, "paths": summary(paths)}), ensure_ascii=False)
    for key, line in (("path", "\n"), ("x", "\n "), ("name", "\n  ")):
        out = out.replace(f'{{"{key}"', f'{line}{{"{key}"')
    (RESULTS / "latest.json").write_text(out + "\n")
    charts = DOCS / "benchmarks"
    charts.mkdir(exist_ok=True)
    for old in charts.glob("*.svg"):
        old.unlink()
    for path in paths:
        draw(path, charts / f"{slug(path.title)}.svg")
    (DOCS / "benchmarks.md").write_text(page(info, paths))
    front = ROOT / "README.md"
    front.write_text(readme(front.read_text(), paths))
    print(f"wrote {RESULTS / 'latest.json'}, {DOCS / 'benchmarks.md'} and {len(paths)} charts")


def write_page(run: dict[str, Any], paths: list[Path_], name: str) -> None:
    """docs/benchmarks/NAME.md and bench/results/NAME.json, of paths that have a make target of their own."""
    info = run_info(run) | {"scale": "full"}
    out = json.dumps(rounded({"run": info, "paths": summary(paths)}), ensure_ascii=False, indent=1)
    (RESULTS / f"{name}.json").write_text(out + "\n")
    text = PAGE_HEAD.format(**info, name=name, goals="\n".join(goals_table(paths)))
    text += "\n".join(line for path in paths for line in section(path, None))
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
    elif given.only_print:
        for path in paths:
            print("\n".join(section(path, None)))
        print("\n".join([*goals_table(paths), "", *nearest_table(paths)]))
        print("\n".join(["", *summary_table(paths), "", f"Goals: {said(goal_counts(paths))}"]))
    else:
        write(run, paths, given.scale)


if __name__ == "__main__":
    main()
