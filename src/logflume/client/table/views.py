"""items() and values() of a table: one copy of the table's state for an iteration, not one look-up for each key."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, ValuesView
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from logflume.client.table.table import Table

__all__ = ["TableItems", "TableValues"]

K = TypeVar("K")
V = TypeVar("V")


class TableItems(ItemsView[K, V]):
    """Pairs of one moment: what changes during an iteration does not show in it."""

    _mapping: Table[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return self._mapping._pairs()


class TableValues(ValuesView[V]):
    """Values of one moment."""

    _mapping: Table[Any, V]

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in self._mapping._pairs())
