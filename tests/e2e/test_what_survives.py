"""docs/guide/what-survives.md: each cell of its tables names a test, and the tests are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guide" / "what-survives.md"


def tables() -> dict[str, list[list[str]]]:
    """Heading to rows of cells, head and ruler left out."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            found.setdefault(heading, []).append(cells)
    return {heading: rows[2:] for heading, rows in found.items()}


def named() -> dict[str, str]:
    return {name: place.strip("`") for name, place in tables()["The tests"]}


def test_every_cell_names_its_tests() -> None:
    names, used = named(), set()
    for heading, rows in tables().items():
        if heading == "The tests":
            continue
        assert len(rows) >= 4, heading
        for row in rows:
            for cell in row[1:]:
                cited = re.findall(r"\[([a-z-]+)\]", cell)
                assert cited, (heading, row[0], cell)
                assert set(cited) <= set(names), (heading, row[0], cell)
                used.update(cited)
    assert used == set(names), f"named and not used: {set(names) - used}"


def test_the_named_tests_are_there() -> None:
    for name, place in named().items():
        path, _, function = place.partition("::")
        tree = ast.parse((ROOT / path).read_text())
        there = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        assert function in there, (name, place)
