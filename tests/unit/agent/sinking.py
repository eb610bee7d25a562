"""A sink under test, by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from logflume.agent import registry
from logflume.agent.components import Context
from logflume.agent.options import parse_component
from logflume.agent.stores import Stores


@contextmanager
def opened(kind: str, **given: str) -> Iterator[Any]:
    """The sink, opened; `__` in a name stands for a dot, `_` for a hyphen."""
    cls = registry.find("sink", kind, "type")
    plain = {name.replace("__", ".").replace("_", "-"): value for name, value in given.items()}
    stores = Stores()
    one = cls("k", parse_component(cls.Config, plain), Context("a", stores))
    try:
        one.open()
        yield one
    finally:
        one.close()
        stores.close()
