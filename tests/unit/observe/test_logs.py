"""Log lines: one event is one line, fields survive, and nothing is imported for nobody."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume.observe import get_logger
from logflume.observe.logs import format_line


def test_event_with_fields_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "logflume"):
        get_logger("logflume.log.recovery").info(
            "cut", path="/d/a b.log", position=61, share="5 %d"
        )
    (record,) = caplog.records
    assert record.getMessage() == 'cut path="/d/a b.log" position=61 share="5 %d"'
    assert record.fields == {"path": "/d/a b.log", "position": 61, "share": "5 %d"}  # type: ignore[attr-defined]
    assert record.name == "logflume.log.recovery"
    assert record.funcName == "test_event_with_fields_is_one_line"


def test_levels_and_errors(caplog: pytest.LogCaptureFixture) -> None:
    logger = get_logger("logflume.x")
    with caplog.at_level(logging.DEBUG, "logflume"):
        logger.debug("a")
        logger.warning("b", error=OSError("disk gone"))
        logger.error("c", error=ValueError())
    assert [r.levelname for r in caplog.records] == ["DEBUG", "WARNING", "ERROR"]
    assert caplog.records[1].getMessage() == 'b error="OSError: disk gone"'


def test_disabled_levels_write_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "logflume"):
        get_logger("logflume.x").info("a")
    assert not caplog.records


@given(st.dictionaries(st.sampled_from(["path", "group", "reason"]), st.text()))
def test_no_value_can_start_a_line_or_a_field(fields: dict[str, object]) -> None:
    line = format_line("event", fields)
    assert line.isprintable()
    outside = "".join(line.replace("\\\\", "").replace('\\"', "").split('"')[::2])
    assert outside.count("=") == len(fields)


def test_quiet_use_does_not_import_logging() -> None:
    code = (
        "import sys; from logflume.observe import get_logger; get_logger('logflume').info('a', b=1);"
        "assert 'logging' not in sys.modules; get_logger('logflume').warning('lost', n=2)"
    )
    command = [sys.executable, "-S", "-c", code]
    env = {"PYTHONPATH": ":".join(sys.path)}
    run = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    assert run.stderr.strip() == "lost n=2"
