"""One small SVG for each path: lines where something is swept, bars otherwise."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from bench.results import Path_

__all__ = ["draw"]

# Fixed ids and no date: a chart only changes when its numbers do. No background, and a grey that can be read on white
# and on black.
INK = "#7d8590"
plt.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "logflume",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "savefig.transparent": True,
        **dict.fromkeys(
            ["text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor"], INK
        ),
        **dict.fromkeys(["xtick.color", "ytick.color", "grid.color"], INK),
        "grid.alpha": 0.25,
    }
)
PALETTE = {
    "logflume": [
        "#1a9e6e",
        "#4cc38a",
        "#0f766e",
        "#84cc16",
        "#2dd4bf",
        "#65a30d",
        "#a3e635",
        "#0891b2",
    ],
    "limit": ["#7d8590", "#a1a8b0", "#b9bfc6"],
    "peer": [
        "#d1603d",
        "#d99a2b",
        "#4f8fc0",
        "#a070b0",
        "#b07d62",
        "#c76b8f",
        "#6f7fd0",
        "#8f9a3c",
    ],
}
MARKERS = {"logflume": "o", "limit": "s", "peer": "^"}


def colours(path: Path_) -> dict[str, str]:
    """A colour for each contestant: logflume's ways first, then limits, then peers."""
    found: dict[str, str] = {}
    for role, shades in PALETTE.items():
        names = dict.fromkeys(entry.name for m in path.measures for entry in m.role(role))
        found |= {name: shades[i % len(shades)] for i, name in enumerate(names)}
    return found


def value_of(cost: float, path: Path_) -> float:
    """Millions of records a second; microseconds or milliseconds of single operations; an amount as it is."""
    if path.is_amount:
        return cost
    if path.unit == "records" and not _is_slow(path):
        return 1000 / cost
    return cost / (1e6 if _in_milliseconds(path) else 1e3)


def _is_slow(path: Path_) -> bool:
    """Less than a thousand a second: a cost then says more than a rate."""
    return all(entry.cost > 1e6 for measure in path.measures for entry in measure.entries)


def _in_milliseconds(path: Path_) -> bool:
    return all(entry.cost > 1e5 for measure in path.measures for entry in measure.entries)


def label_of(path: Path_) -> str:
    if path.is_amount:
        return f"{path.unit} (less is better)"
    if path.unit == "records" and not _is_slow(path):
        return "million records/s (more is better)"
    return f"{'ms' if _in_milliseconds(path) else 'µs'} each (less is better)"


def draw(path: Path_, target: Path) -> None:
    """Writes the chart of a path."""
    swept = len({measure.x for measure in path.measures}) > 1
    rows = len(path.measures[0].entries)
    figure, axes = plt.subplots(
        figsize=(7, 3.6 if swept else 0.9 + 0.3 * rows), layout="constrained"
    )
    if swept:
        _lines(axes, path)
    else:
        _bars(axes, path)
    axes.set_title(path.title, loc="left", fontweight="bold")
    figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)


def _lines(axes: Axes, path: Path_) -> None:
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    name = ""
    for measure in path.measures:
        if measure.x is not None:
            name = measure.x[0]
            for entry in measure.entries:
                points[entry.name].append((measure.x[1], value_of(entry.cost, path)))
    roles = {entry.name: entry.role for measure in path.measures for entry in measure.entries}
    for label, colour in colours(path).items():
        xs, ys = zip(*sorted(points[label]), strict=True)
        role = roles[label]
        style, width = "--" if role == "limit" else "-", 2.2 if role == "logflume" else 1.2
        marker = MARKERS[role]
        axes.plot(
            xs, ys, style, marker=marker, markersize=4, color=colour, linewidth=width, label=label
        )
    xs_all = sorted({x for line in points.values() for x, _ in line})
    ys_all = [y for line in points.values() for _, y in line]
    if xs_all[-1] / max(xs_all[0], 1) > 8:
        axes.set_xscale("log")
    if max(ys_all) > 8 * min(ys_all):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    else:
        axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    axes.set_xticks(xs_all, [f"{x:,.0f}" for x in xs_all], minor=False)
    axes.minorticks_off()
    axes.set_xlabel(name)
    axes.set_ylabel(label_of(path))
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def _bars(axes: Axes, path: Path_) -> None:
    entries = list(reversed(path.measures[0].entries))
    costs = [value_of(entry.cost, path) for entry in entries]
    shades = colours(path)
    names = [e.name if e.role == "logflume" else f"{e.name} ({e.role})" for e in entries]
    bars = axes.barh(names, costs, color=[shades[e.name] for e in entries], height=0.7)
    axes.bar_label(bars, [f"{cost:,.3g}" for cost in costs], padding=3, fontsize=8)
    label = label_of(path)
    if max(costs) > 100 * min(costs) > 0:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        label = f"{label}, logarithmic"
    axes.set_xlabel(label)
    axes.margins(x=0.12)
