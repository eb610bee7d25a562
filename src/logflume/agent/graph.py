"""A plan drawn: as text for a terminal, as SVG for a page."""

from __future__ import annotations

from html import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.plan import Plan

__all__ = ["as_svg", "as_text", "edges"]

_BOX_W, _BOX_H, _GAP_X, _GAP_Y, _PAD = 190, 44, 90, 22, 20


def edges(plan: Plan) -> list[tuple[str, str, str]]:
    """(from, to, what is written at the arrow); names are `source r1`, `channel c1`, `sink k1`."""
    out = []
    for name, one in plan.sources.items():
        passing = " ".join(stage.name for stage in one.interceptors)
        out += [(f"source {name}", f"channel {channel}", passing) for channel in one.channels]
    for group in plan.groups.values():
        grouped = group.name if len(group.sinks) > 1 else ""
        for sink in group.sinks:
            out.append((f"channel {plan.sinks[sink].channel}", f"sink {sink}", grouped))
    return out


def as_text(plan: Plan) -> str:
    """One line an arrow, and the kinds of components."""
    lines = [f"agent {plan.agent}"]
    lines += [
        f"  {start} -> {end}" + (f"  [{label}]" if label else "")
        for start, end, label in edges(plan)
    ]
    for kind, stages in _stages(plan).items():
        lines += [f"  {kind} {name}: {what}" for name, what in stages.items()]
    return "\n".join(lines)


def _stages(plan: Plan) -> dict[str, dict[str, str]]:
    return {
        "source": {n: one.stage.kind.__name__ for n, one in plan.sources.items()},
        "channel": {n: one.stage.kind.__name__ for n, one in plan.channels.items()},
        "sink": {n: one.stage.kind.__name__ for n, one in plan.sinks.items()},
    }


def as_svg(plan: Plan) -> str:
    """Three columns of boxes, sources, channels, sinks, and the arrows between them."""
    places: dict[str, tuple[int, int]] = {}
    boxes, arrows = [], []
    columns = _stages(plan)
    for column, (kind, stages) in enumerate(columns.items()):
        for row, (name, what) in enumerate(stages.items()):
            x = _PAD + column * (_BOX_W + _GAP_X)
            y = _PAD + row * (_BOX_H + _GAP_Y)
            places[f"{kind} {name}"] = (x, y)
            boxes.append(
                f'<rect x="{x}" y="{y}" width="{_BOX_W}" height="{_BOX_H}" rx="6" fill="#eef" stroke="#446"/>'
                f'<text x="{x + 10}" y="{y + 18}" font-weight="bold">{escape(name)}</text>'
                f'<text x="{x + 10}" y="{y + 35}" font-size="11">{escape(what)}</text>'
            )
    for start, end, label in edges(plan):
        (x1, y1), (x2, y2) = places[start], places[end]
        x1, y1, y2 = x1 + _BOX_W, y1 + _BOX_H // 2, y2 + _BOX_H // 2
        arrows.append(
            f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#446" marker-end="url(#to)"/>'
            f'<text x="{(x1 + x2) // 2}" y="{(y1 + y2) // 2 - 4}" font-size="10" text-anchor="middle">'
            f"{escape(label)}</text>"
        )
    rows = max((len(stages) for stages in columns.values()), default=0)
    width = 2 * _PAD + 3 * _BOX_W + 2 * _GAP_X
    height = 2 * _PAD + max(rows, 1) * (_BOX_H + _GAP_Y)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif"'
        ' font-size="13"><defs><marker id="to" markerWidth="8" markerHeight="8" refX="8" refY="4" orient="auto">'
        f'<path d="M0,0 L8,4 L0,8 z" fill="#446"/></marker></defs>{"".join(arrows)}{"".join(boxes)}</svg>\n'
    )
