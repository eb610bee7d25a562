"""Notes that are longer than an offset's metadata may be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from logflume.agent.channels.long_notes import LongNotes
from logflume.errors import StorageError


def test_a_short_note_is_itself(tmp_path: Path) -> None:
    notes = LongNotes(str(tmp_path), "c-0")
    assert notes.keep('{"a": 1}') == '{"a": 1}'
    assert notes.read('{"a": 1}') == '{"a": 1}'
    assert os.listdir(tmp_path) == []


def test_a_long_note_lies_in_a_file_until_it_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "c-1.note-7").write_text("another taker's")
    notes = LongNotes(str(tmp_path), "c-0")
    long, longer = '"' + "x" * 5000 + '"', '"' + "ü" * 50_000 + '"'
    first = notes.keep(long)
    assert notes.read(first) == long
    second = notes.keep(longer)
    # Both are there: nobody knows yet which of them is stored.
    again = LongNotes(str(tmp_path), "c-0")
    assert (again.read(first), again.read(second)) == (long, longer)
    notes.drop_others()
    assert again.read(second) == longer
    with pytest.raises(StorageError, match=r"c-0\.note-1"):
        again.read(first)
    assert again.has_files
    again.keep("{}")
    again.drop_others()
    assert not again.has_files
    assert os.listdir(tmp_path) == ["c-1.note-7"]
