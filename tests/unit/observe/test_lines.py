"""A process of logflume's own writes one line an event, which a machine can take apart again."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from logflume.observe import get_logger
from logflume.observe.lines import log_to

MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("logflume")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], level, our_level = before
    root.setLevel(level)
    ours.setLevel(our_level)


def test_logfmt() -> None:
    out = io.StringIO()
    log_to(out)
    get_logger("logflume.x").info("listening", address="a b", n=1)
    moment, _, rest = out.getvalue().partition(" ")
    assert rest == 'level=info event=listening address="a b" n=1 logger=logflume.x\n'
    assert re.fullmatch(f"time={MOMENT}", moment)


def test_json_has_types_and_one_line_whatever_a_value_holds() -> None:
    out = io.StringIO()
    log_to(out, format="json")
    get_logger("logflume.x").warning("bad", error=ValueError("a\nb"), n=1, other=object)
    (line,) = out.getvalue().splitlines()
    document = json.loads(line)
    assert document["event"] == "bad"
    assert document["level"] == "warning"
    assert document["n"] == 1
    assert document["error"] == "ValueError: a\nb"


def test_levels_are_ours_and_other_libraries_speak_from_warnings_on() -> None:
    out = io.StringIO()
    log_to(out, level="debug")
    get_logger("logflume.x").debug("seen")
    logging.getLogger("asyncio").info("unseen")
    try:
        raise KeyError("k")
    except KeyError:
        logging.getLogger("asyncio").exception("went %s", "wrong")
    seen, foreign = out.getvalue().splitlines()
    assert "event=seen" in seen
    assert 'event=message message="went wrong"' in foreign
    assert "KeyError" in foreign


def test_calling_it_again_replaces_what_was_set_up() -> None:
    first, second = io.StringIO(), io.StringIO()
    log_to(first)
    log_to(second, level="error")
    get_logger("logflume.x").warning("quiet")
    get_logger("logflume.x").error("loud")
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1
