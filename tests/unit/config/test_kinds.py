"""Kinds of values: what they take, in Python and as Kafka's strings, and what they refuse."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume.config import TABLES, by_duration_ms, kinds

ACCEPTED = [
    (kinds.Bool(), True, True),
    (kinds.Bool(), "FALSE", False),
    (kinds.Int(), 5, 5),
    (kinds.Int(), " 5 ", 5),
    (kinds.Int(min=-1), "-1", -1),
    (kinds.Int(), np.int32(7), 7),
    (kinds.Size(), "64KiB", 65536),
    (kinds.Size(), "1 MB", 1_000_000),
    (kinds.Duration(), "7d", 604_800_000),
    (kinds.Duration(), "250ms", 250),
    (kinds.Duration(), datetime.timedelta(seconds=1.5), 1500),
    (kinds.Float(min=0, max=1), "0.5", 0.5),
    (kinds.Float(min=0, max=1), 1, 1.0),
    (kinds.Text(), "größe / a", "größe / a"),
    (kinds.Choice("a", "b", also={"java.B": "b"}), "java.B", "b"),
    (kinds.Choices("a", "b"), "b, a", ("b", "a")),
    (kinds.Choices("a", "b"), ["a"], ("a",)),
    (kinds.Acks(), "all", -1),
    (kinds.Acks(), -1, -1),
    (kinds.Acks(), "leader", 1),
    (kinds.Acks(), 0, 0),
    (kinds.OffsetReset(), "earliest", "earliest"),
    (kinds.OffsetReset(), "by_duration:P1DT2H", "by_duration:P1DT2H"),
]
REFUSED = [
    (kinds.Bool(), 1),
    (kinds.Bool(), "yes"),
    (kinds.Int(), True),
    (kinds.Int(), 1.0),
    (kinds.Int(), None),
    (kinds.Int(), ""),
    (kinds.Int(), "1_000"),
    (kinds.Int(), "٣"),
    (kinds.Int(), "5s"),
    (kinds.Int(), -1),
    (kinds.Int(), 1 << 31),
    (kinds.Int(), "9" * 10_000),
    (kinds.Size(), "64 kib"),
    (kinds.Size(), "KiB"),
    (kinds.Duration(), "1h30m"),
    (kinds.Duration(), datetime.timedelta(seconds=-1)),
    (kinds.Float(min=0, max=1), "nan"),
    (kinds.Float(min=0, max=1), 1.01),
    (kinds.Float(min=0, max=1), True),
    (kinds.Float(min=0, max=1), "half"),
    (kinds.Text(), ""),
    (kinds.Text(), b"bytes"),
    (kinds.Text(), "line\nbreak"),
    (kinds.Text(max_bytes=3), "ööö"),
    (kinds.Choice("a"), "A"),
    (kinds.Choice("a"), None),
    (kinds.Choices("a", "b"), "a,a"),
    (kinds.Choices("a", "b"), []),
    (kinds.Choices("a", "b"), 5),
    (kinds.Acks(), 2),
    (kinds.Acks(), "some"),
    (kinds.Acks(), True),
    (kinds.OffsetReset(), "by_duration:"),
    (kinds.OffsetReset(), "by_duration:-PT1H"),
    (kinds.OffsetReset(), "by_duration:P1Y"),
    (kinds.OffsetReset(), "smallest"),
]


def name(value: object) -> str:
    return type(value).__name__ if isinstance(value, kinds.Kind) else repr(value)[:20]


@pytest.mark.parametrize(("kind", "value", "parsed"), ACCEPTED, ids=name)
def test_accepted(kind: kinds.Kind, value: object, parsed: object) -> None:
    result = kind.parse(value)
    assert result == parsed
    assert type(result) is type(parsed)
    assert kind.parse(kind.format(result)) == result


@pytest.mark.parametrize(("kind", "value"), REFUSED, ids=name)
def test_refused_with_a_reason(kind: kinds.Kind, value: object) -> None:
    with pytest.raises(ValueError, match=r"^(must|needs) "):
        kind.parse(value)


@given(st.integers(min_value=-(1 << 70), max_value=1 << 70))
def test_integers_pass_exactly_within_their_range(value: int) -> None:
    kind = kinds.Int(min=-5, max=kinds.LONG_MAX)
    for form in (value, str(value)):
        if -5 <= value <= kinds.LONG_MAX:
            assert kind.parse(form) == value
        else:
            with pytest.raises(ValueError, match="must be"):
                kind.parse(form)


@given(
    kind=st.sampled_from([option.kind for table in TABLES for option in table.options.values()]),
    value=st.one_of(
        st.text(),
        st.integers(),
        st.floats(),
        st.none(),
        st.booleans(),
        st.binary(),
        st.lists(st.text()),
    ),
)
def test_any_value_is_parsed_or_refused_with_value_error(kind: kinds.Kind, value: object) -> None:
    try:
        parsed = kind.parse(value)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - the other outcome is fine too
    else:
        if isinstance(kind, kinds.Secret):
            assert kind.format(parsed) == "[hidden]"
        else:
            assert kind.parse(kind.format(parsed)) == parsed


@pytest.mark.parametrize(
    ("reset", "milliseconds"),
    [
        ("latest", None),
        ("by_duration", None),
        ("by_duration:PT1H30M", 5_400_000),
        ("by_duration:P1DT0.25S", 86_400_250),
        ("by_duration:PT0.0019S", 1),
    ],
)
def test_by_duration(reset: str, milliseconds: int | None) -> None:
    assert by_duration_ms(reset) == milliseconds


@pytest.mark.parametrize("duration", ["", "P", "PT", "P1DT", "1H", "PT1H ", "PT1,5S", "PT1M1H"])
def test_by_duration_refuses_what_is_no_duration(duration: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        by_duration_ms(f"by_duration:{duration}")
