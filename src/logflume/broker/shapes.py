"""Shapes of requests, from kio's classes: what is walked before kio makes an object of it."""

from __future__ import annotations

from functools import lru_cache

from logflume._native.shape import Shape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["nested_entity", "shape_of"]

_SIZES = {
    **dict.fromkeys(("bool", "int8", "uint8"), 1),
    **dict.fromkeys(("error_code", "int16", "uint16"), 2),
    **dict.fromkeys(("int32", "timedelta_i32", "uint32"), 4),
    **dict.fromkeys(("datetime_i64", "float64", "int64", "timedelta_i64", "uint64"), 8),
    "uuid": 16,
}


@lru_cache(maxsize=1024)
def shape_of(entity: Any) -> Shape:
    """The shape of a kio class."""
    from dataclasses import fields

    flexible: bool = entity.__flexible__
    steps: list[tuple[str, Any]] = []
    tagged: dict[int, Shape] = {}
    for field in fields(entity):
        tag = field.metadata.get("tag")
        if tag is None:
            steps.append(_step(field, flexible=flexible, nullable="None" in str(field.type)))
        else:
            tagged[tag] = Shape(flexible, [_step(field, flexible=flexible, nullable=False)])
    if flexible:
        steps.append(("tags", tagged))
    return Shape(flexible, steps)


def _step(field: Any, *, flexible: bool, nullable: bool) -> tuple[str, Any]:
    kind = field.metadata.get("kafka_type")
    is_array = "tuple[" in str(field.type)
    if kind is None:
        inner = shape_of(nested_entity(field.type))
        if is_array:
            return ("array" if nullable else "items"), inner
        # A structure of its own has a byte in front where it may be missing (KIP-893).
        return ("nullable" if nullable else "struct"), inner
    one = _primitive(kind)
    if not is_array:
        return one
    # kio takes null for any array; Kafka, where the schema says so.
    return ("array" if nullable else "items"), Shape(flexible, [one])


def _primitive(kind: str) -> tuple[str, Any]:
    if kind == "string":
        return "string", None
    if kind in ("bytes", "records"):
        return "blob", None
    return "fixed", _SIZES[kind]


def nested_entity(annotation: Any) -> Any:
    """The message class in a field's annotation: `tuple[Topic, ...]`, `Cursor | None`."""
    from typing import get_args

    todo = [annotation]
    while todo:
        part = todo.pop()
        if hasattr(part, "__type__"):
            return part
        todo.extend(get_args(part))
    raise LookupError(f"no message in {annotation}")
