"""Whether what handlers answer with is known to the protocol at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from importlib import import_module

from kio.schema.index import api_key_map, schema_name_map

from logflume.broker import messages


@contextmanager
def checked_fields() -> Iterator[None]:
    """Fails when a handler gave a field that no version of its message has: a misspelt one would go unseen."""
    messages.dropped = dropped = set()
    try:
        yield
    finally:
        messages.dropped = None
    unknown = [f"{entity.__name__}.{name}" for entity, name in dropped if not known(entity, name)]
    assert not unknown, f"no version has {unknown}"


def known(entity: type, name: str) -> bool:
    """Whether some structure of some version of the entity's message has this field: they change their names."""
    schema = api_key_map[entity.__api_key__]
    for version in schema_name_map[schema]:
        module = import_module(f"kio.schema.{schema}.v{version}.response")
        for there in vars(module).values():
            if hasattr(there, "__api_key__") and any(f.name == name for f in fields(there)):
                return True
    return False
