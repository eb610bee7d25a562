"""The file of held transactions: of one boot, replaced whole, and safe from those who sweep up temporary files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.errors import CorruptRecord
from logflume.log import held_file, layout
from logflume.log.held_file import read_held, read_held_table, write_held
from logflume.log.small_file import remove_temporaries


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read_held(str(tmp_path)) == (0, b"")
    assert read_held_table(str(tmp_path)) == 0
    write_held(str(tmp_path), 77, b"one\ntwo")
    write_held(str(tmp_path), 78, b"[]")
    assert read_held(str(tmp_path)) == (78, b"[]")
    assert read_held_table(str(tmp_path)) == 78


def test_one_of_before_the_last_boot_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_held(str(tmp_path), 77, b"[]")
    for boot in ("another", ""):
        monkeypatch.setattr(held_file, "boot_id", lambda boot=boot: boot)
        assert read_held(str(tmp_path)) == (0, b"")
        assert read_held_table(str(tmp_path)) == 0


@pytest.mark.parametrize("data", [b"", b"x", b"\n", b" 5\n", b"\xff" * 300])
def test_noise_is_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / layout.HELD_FILE).write_bytes(data)
    assert read_held(str(tmp_path)) == (0, b"")


def test_whoever_opens_the_directory_meanwhile_does_not_sweep_it_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def sweep_then_replace(*args: Any) -> None:
        remove_temporaries(str(tmp_path))
        real(*args)

    monkeypatch.setattr(held_file.os, "replace", sweep_then_replace)
    write_held(str(tmp_path), 5, b"[]")
    assert read_held_table(str(tmp_path)) == 5


def test_a_table_that_is_none_is_named(tmp_path: Path) -> None:
    with logflume.open(tmp_path) as log:
        log.create_topic("t")
        with log.producer(transactional_id="x") as producer:
            transaction = producer.transaction()
            producer.send("t", b"v").result(60)
            log.engine.coordinator.room.open().held = True
            write_held(str(tmp_path), 9, b"{no table")
            with pytest.raises(CorruptRecord, match=r"transactions\.held"):
                log.engine.coordinator.room.held.places()
            write_held(str(tmp_path), 9, b"[]")
            transaction.commit()
