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

# Fixed ids and no date: a chart only changes when its numbers do.
plt.rcParams.update(
    {"svg.fonttype": "none", "svg.hashsalt": "logflume", "font.size": 9, "axes.spines.top": False}
)
PALETTE = {
    "logflume": ["#0b6e4f", "#21a179", "#5cc8a1", "#08a045", "#6bbf59", "#14746f"],
    "limit": ["#222222", "#777777", "#aaaaaa"],
    "peer": ["#c8553d", "#e09f3e", "#588bae", "#8e6c88", "#b0a8b9", "#d4a5a5"],
}


def colours(path: Path_) -> dict[str, str]:
    """A colour for each contestant, by its role."""
    found: dict[str, str] = {}
    used: dict[str, int] = defaultdict(int)
    for measure in path.measures:
        for entry in measure.entries:
            if entry.name not in found:
                shades = PALETTE[entry.role]
                found[entry.name] = shades[used[entry.role] % len(shades)]
                used[entry.role] += 1
    return found


def value_of(cost: float, path: Path_) -> float:
    """Millions a second of what is counted; microseconds where single operations are; an amount as it is."""
    if path.is_amount:
        return cost
    return cost / 1000 if path.unit != "records" else 1000 / cost


def label_of(path: Path_) -> str:
    if path.is_amount:
        return f"{path.unit} (less is better)"
    return (
        "µs each (less is better)"
        if path.unit != "records"
        else "million records/s (more is better)"
    )


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
        style = {"limit": "--", "peer": "-", "logflume": "-"}[roles[label]]
        width = 2.2 if roles[label] == "logflume" else 1.2
        axes.plot(
            xs, ys, style, marker="o", markersize=3, color=colour, linewidth=width, label=label
        )
    xs_all = sorted({x for line in points.values() for x, _ in line})
    if xs_all[-1] / max(xs_all[0], 1) > 8:
        axes.set_xscale("log")
        axes.set_yscale("log")
    axes.set_xticks(xs_all, [f"{x:,.0f}" for x in xs_all], minor=False)
    axes.minorticks_off()
    axes.set_xlabel(name)
    axes.set_ylabel(label_of(path))
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def _bars(axes: Axes, path: Path_) -> None:
    entries = list(reversed(path.measures[0].entries))
    costs = [value_of(entry.cost, path) for entry in entries]
    shades = colours(path)
    bars = axes.barh(
        [e.name for e in entries], costs, color=[shades[e.name] for e in entries], height=0.7
    )
    axes.bar_label(bars, [f"{cost:.3g}" for cost in costs], padding=3, fontsize=8)
    if max(costs) > 30 * min(costs) > 0:
        axes.set_xscale("log")
    axes.set_xlabel(label_of(path))
    axes.margins(x=0.12)
