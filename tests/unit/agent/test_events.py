"""Batches in columns do what lists of single events would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from logflume._native.input_columns import Packed
from logflume.agent.events import EventBatch

Rows = list[tuple[dict[str, str], bytes]]
names = st.sampled_from(["a", "b", "host", "key"])
rows = st.lists(
    st.tuples(
        st.dictionaries(names, st.sampled_from(["", "x", "y", "é"]), max_size=3),
        st.binary(max_size=5),
    ),
    max_size=8,
)


def unfolded(batch: EventBatch) -> Rows:
    return list(zip(batch.rows(), batch.body_list(), strict=True))


@given(rows)
def test_rows_come_back(given_rows: Rows) -> None:
    batch = EventBatch.of_rows(given_rows)
    assert unfolded(batch) == given_rows
    kept = batch.record_headers() or [[] for _ in given_rows]
    assert [{n: v.decode() for n, v in pairs} for pairs in kept] == [h for h, _ in given_rows]


@given(rows, rows)
def test_joining_is_adding(one: Rows, two: Rows) -> None:
    joined = EventBatch.joined([EventBatch.of_rows(one), EventBatch.of_rows(two)])
    assert unfolded(joined) == one + two


def test_packed_bodies_are_joined_as_packed() -> None:
    """No object for each event: an Avro source's small batches are gathered so."""
    first = EventBatch(Packed(b"..abc", [2, 3, 5]), {"a": "x"})
    second = EventBatch(Packed(b"", [0]), {"a": "x"})
    third = EventBatch(Packed(b"de", [0, 2]), {"a": "x"})
    batch = EventBatch.joined([first, second, third])
    assert isinstance(batch.bodies, Packed)
    assert (batch.body_list(), dict(batch.common)) == ([b"a", b"bc", b"de"], {"a": "x"})


@given(rows, st.data())
def test_parts_are_parts(given_rows: Rows, data: st.DataObject) -> None:
    batch = EventBatch.of_rows(given_rows)
    start = data.draw(st.integers(0, len(given_rows)))
    stop = data.draw(st.integers(start, len(given_rows)))
    assert unfolded(batch[start:stop]) == given_rows[start:stop]
    chosen = (
        data.draw(st.lists(st.sampled_from(range(len(given_rows))), unique=True))
        if given_rows
        else []
    )
    assert unfolded(batch.select(sorted(chosen))) == [given_rows[i] for i in sorted(chosen)]


@given(rows, names, st.booleans(), st.data())
def test_setting_a_header(given_rows: Rows, name: str, keep: bool, data: st.DataObject) -> None:
    values = data.draw(
        st.one_of(
            st.just("v"),
            st.lists(
                st.sampled_from(["p", "q"]), min_size=len(given_rows), max_size=len(given_rows)
            ),
        )
    )
    column = [values] * len(given_rows) if isinstance(values, str) else values
    expected = [
        ({**h, name: h[name] if keep and name in h else new}, body)
        for (h, body), new in zip(given_rows, column, strict=True)
    ]
    assert unfolded(EventBatch.of_rows(given_rows).with_header(name, values, keep=keep)) == expected


@given(rows, st.sets(names))
def test_removing_headers(given_rows: Rows, gone: set[str]) -> None:
    expected = [({n: v for n, v in h.items() if n not in gone}, body) for h, body in given_rows]
    assert unfolded(EventBatch.of_rows(given_rows).without(gone)) == expected


def test_packed_bodies_are_bodies() -> None:
    import numpy as np

    batch = EventBatch(Packed(b"abcdef", np.array([0, 2, 2, 6])), {"h": "1"})
    assert batch.body_list() == [b"ab", b"", b"cdef"]
    assert batch[1:].body_list() == [b"", b"cdef"]
    assert batch.record_headers() == [[("h", b"1")]] * 3
