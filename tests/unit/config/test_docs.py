"""The reference page is written from the tables; it must be up to date and complete."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from logflume.config import TABLES, describe

ROOT = Path(__file__).resolve().parents[3]


def test_configuration_page_is_up_to_date() -> None:
    tool = [sys.executable, str(ROOT / "tools" / "gen_config_docs.py"), "--check"]
    run = subprocess.run(tool, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_configuration_page_has_every_option_with_its_effect() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    sections = {section.split("\n")[0]: section for section in page.split("\n## ")}
    for table in TABLES:
        section = sections[table.table.capitalize()]
        for row in describe(table):
            line = next(s for s in section.splitlines() if s.startswith(f"| `{row.name}`"))
            assert row.doc in line
            assert row.effect.rstrip(".") in line
        assert all(f"`{name}`" in section for name in table.foreign)


def test_describe_shows_round_numbers_in_units() -> None:
    rows = {row.name: row for table in TABLES for row in describe(table)}
    assert rows["retention.ms"].default == "604800000 (7d)"
    assert rows["segment.bytes"].default == "1073741824 (1GiB)"
    assert rows["flush.ms"].default.endswith("(no limit)")
    assert rows["transactional.id"].default == "none given"
    assert rows["linger.ms"].default == "5"
    assert rows["group.id"].also == ("group",)
