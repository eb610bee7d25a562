"""What a Polars predicate says about partition, offset and time.

Read from the expression's JSON, which Polars does not promise to keep. What is not understood bounds nothing: the
predicate is applied to the rows all the same, so a new version can make this read more, never give other rows.
"""

from __future__ import annotations

import json

import polars

from logflume.integrations.window import AXES, Interval, Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["window_of"]

_PER_MS = {"Nanoseconds": 1_000_000, "Microseconds": 1000, "Milliseconds": 1}
_MIRRORED = {"Lt": "Gt", "LtEq": "GtEq", "Gt": "Lt", "GtEq": "LtEq", "Eq": "Eq"}


def window_of(predicate: polars.Expr) -> Window:
    """The intervals in which every row that passes lies."""
    try:
        tree = json.loads(predicate.meta.serialize(format="json"))
    except (polars.exceptions.ComputeError, ValueError):  # as of a Python function
        return {}
    return _window(tree)


def _only(node: Any) -> tuple[str, Any]:
    """Name and content of a node; ("", None) for what has another shape."""
    if isinstance(node, dict) and len(node) == 1:
        return next(iter(node.items()))
    return "", None


def _window(node: Any) -> Window:
    name, content = _only(node)
    if name == "BinaryExpr":
        return _binary(content)
    if name == "Function":
        return _between(content)
    return {}


def _binary(content: Any) -> Window:
    op, left, right = content.get("op"), content.get("left"), content.get("right")
    if op in ("And", "LogicalAnd"):
        a, b = _window(left), _window(right)
        return {x: a.get(x, Interval()).intersection(b.get(x, Interval())) for x in {*a, *b}}
    if op in ("Or", "LogicalOr"):
        a, b = _window(left), _window(right)
        return {x: a[x].hull(b[x]) for x in a.keys() & b.keys()}
    if op not in _MIRRORED:
        return {}
    return _comparison(left, op, right) or _comparison(right, _MIRRORED[op], left)


def _comparison(left: Any, op: str, right: Any) -> Window:
    axis, value = _axis(left), _value(right)
    if axis is None or value is None:
        return {}
    number, exact = value
    behind = number + 1
    # Between two numbers: bounds that are right whichever way Polars rounds it.
    low = behind if op == "Gt" and exact else number
    high = number if op == "Lt" and exact else behind
    if op in ("Gt", "GtEq"):
        return {axis: Interval(low, None)}
    if op in ("Lt", "LtEq"):
        return {axis: Interval(None, high)}
    return {axis: Interval(low, high)}


def _between(content: Any) -> Window:
    kind = content.get("function") if isinstance(content, dict) else None
    if not (isinstance(kind, dict) and "IsBetween" in (_only(kind.get("Boolean"))[0],)):
        return {}
    column, first, last = content["input"]
    a, b = _comparison(column, "GtEq", first), _comparison(column, "LtEq", last)
    return {x: a.get(x, Interval()).intersection(b.get(x, Interval())) for x in {*a, *b}}


def _axis(node: Any) -> str | None:
    """The column, when it is one of the axes. A timestamp may have been cast to another unit of time."""
    name, content = _only(node)
    if name == "Cast" and "Datetime" in json.dumps(content.get("dtype")):
        found = _axis(content.get("expr"))
        return found if found == "timestamp" else None
    return content if name == "Column" and content in AXES else None


def _value(node: Any) -> tuple[int, bool] | None:
    """A constant as the whole number at or below it, and whether it is that number; a time in ms."""
    name, content = _only(node)
    if name == "Cast":
        return _value(content.get("expr"))
    if name != "Literal":
        return None
    exact = True
    while isinstance(content, dict) and len(content) == 1:
        kind, content = next(iter(content.items()))
        if kind == "Datetime" and isinstance(content, list) and content[1] in _PER_MS:
            content, rest = divmod(content[0], _PER_MS[content[1]])
            exact = not rest
        elif kind == "Date" and isinstance(content, int):
            content *= 86_400_000
    return (content, exact) if isinstance(content, int) and not isinstance(content, bool) else None
