"""The state machine of a share partition against a model that has one entry an offset."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from logflume.coordinator.share.states import AcknowledgeType, Acquired, Answer, RecordState
from logflume.coordinator.share.window import AnswerRefused, Window

LIMIT = 3  # deliveries
LOCK_MS = 100
AVAILABLE, ACQUIRED = RecordState.AVAILABLE, RecordState.ACQUIRED
FINAL = {RecordState.ACKNOWLEDGED, RecordState.ARCHIVED}

small = st.integers(0, 12)
holders = st.integers(1, 3)


class Entry:
    """One offset of the model."""

    def __init__(self) -> None:
        self.state, self.count, self.holder, self.deadline = AVAILABLE, 0, 0, 0

    def free(self, back: int = 0) -> None:
        self.count = max(self.count - back, 0)
        self.state = AVAILABLE if self.count < LIMIT else RecordState.ARCHIVED
        self.holder = self.deadline = 0

    def end(self, state: RecordState) -> None:
        self.state, self.holder, self.deadline = state, 0, 0


class WindowMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.window = Window(0)
        self.model: dict[int, Entry] = {}
        self.start = 0
        self.now = 1000

    @property
    def end(self) -> int:
        return max(self.model, default=self.start - 1) + 1

    def advance(self) -> None:
        end = self.end
        while self.start < end and self.model[self.start].state in FINAL:
            del self.model[self.start]
            self.start += 1

    @rule(
        back=small,
        length=st.integers(0, 15),
        holes=st.sets(small),
        limit=st.integers(1, 9),
        who=holders,
    )
    def acquire(self, back: int, length: int, holes: set[int], limit: int, who: int) -> None:
        first = max(self.end - back, self.start)
        last = first + length - 1
        there = [o for o in range(first, last + 1) if o - first not in holes]
        runs: list[tuple[int, int]] = []
        for offset in there:
            if runs and runs[-1][1] == offset - 1:
                runs[-1] = (runs[-1][0], offset)
            else:
                runs.append((offset, offset))
        expected: list[tuple[int, int]] = []
        end = self.end
        for offset in range(first, last + 1):
            if len(expected) == limit:
                break
            known = offset < end
            entry = self.model[offset] if known else self.model.setdefault(offset, Entry())
            if entry.state is not AVAILABLE:
                continue
            if offset not in there:
                entry.end(RecordState.ARCHIVED)
                # Behind the last one that exists nothing is decided while the limit is not known to be reached.
                continue
            entry.state, entry.holder, entry.deadline = ACQUIRED, who, self.now + LOCK_MS
            entry.count += 1
            expected.append((offset, entry.count))
        taken = self.window.acquire(first, last + 1, runs, limit, who, self.now + LOCK_MS)
        assert [
            (o, a.delivery_count) for a in taken for o in range(a.first, a.last + 1)
        ] == expected
        self.advance()

    @rule(
        first=small,
        length=st.integers(1, 6),
        kind=st.sampled_from(list(AcknowledgeType)),
        who=holders,
    )
    def answer(self, first: int, length: int, kind: AcknowledgeType, who: int) -> None:
        first += max(self.start - 2, 0)
        offsets = [o for o in range(first, first + length) if o >= self.start]
        given = Answer(first, first + length - 1, kind)
        deadline = self.now + LOCK_MS
        if given.last < self.end and all(self.model[o].holder == who for o in offsets):
            self.window.answer([given], who, count_limit=LIMIT, deadline_ms=deadline)
            for offset in offsets:
                entry = self.model[offset]
                if kind is AcknowledgeType.RENEW:
                    entry.deadline = deadline
                elif kind is AcknowledgeType.ACCEPT:
                    entry.end(RecordState.ACKNOWLEDGED)
                elif kind is AcknowledgeType.RELEASE:
                    entry.free()
                else:
                    entry.end(RecordState.ARCHIVED)
            self.advance()
        else:
            with pytest.raises(AnswerRefused):
                self.window.answer([given], who, count_limit=LIMIT, deadline_ms=deadline)

    @rule(passed=st.integers(0, 120))
    def expire(self, passed: int) -> None:
        self.now += passed
        over = [e for e in self.model.values() if e.holder and e.deadline <= self.now]
        assert self.window.free_where(lambda s: s.deadline_ms <= self.now, LIMIT) == bool(over)
        for entry in over:
            entry.free()
        self.advance()

    @rule(who=holders)
    def leave(self, who: int) -> None:
        self.window.free_where(lambda s: s.holder == who, LIMIT, taken_back=1)
        for entry in self.model.values():
            if entry.holder == who:
                entry.free(1)
        self.advance()

    @rule(by=small)
    def move_start(self, by: int) -> None:
        to = self.start + by
        assert self.window.move_start(to) == (by > 0)
        self.start = to
        self.model = {o: e for o, e in self.model.items() if o >= to}
        self.advance()

    @rule(by=small)
    def cut_end(self, by: int) -> None:
        to = max(self.end - by, 0)
        if to < self.end:
            self.window.cut_end(to)
            self.model = {o: e for o, e in self.model.items() if o < to}
            self.start = min(self.start, to)
            self.advance()

    @rule(as_dead=st.booleans())
    def restart(self, as_dead: bool) -> None:
        """What a snapshot says, read back; or what all changes say on top of an empty window."""
        again = Window(self.window.start)
        again.overlay(self.window.start, self.window.batches())
        for entry in self.model.values():
            if entry.holder:
                entry.state, entry.holder, entry.deadline = AVAILABLE, 0, 0
        # As after a death: one that was delivered as often as it may is delivered again all the same.
        assert again.end == self.window.end
        self.window = again
        self.advance()

    @invariant()
    def same(self) -> None:
        window = self.window
        assert (window.start, window.end) == (self.start, self.end)
        at = window.start
        for i, span in enumerate(window.spans):
            assert span.first == at
            assert span.last >= span.first
            assert i == 0 or not window.spans[i - 1].same(span)
            for offset in range(span.first, span.last + 1):
                entry = self.model[offset]
                assert (span.state, span.count, span.holder, span.deadline_ms) == (
                    entry.state,
                    entry.count,
                    entry.holder,
                    entry.deadline,
                )
            at = span.last + 1
        assert at == window.end
        waiting = [o for o, e in self.model.items() if e.state is AVAILABLE]
        planned = [o for first, last in window.plan(1000) for o in range(first, last + 1)]
        assert set(waiting) <= set(planned)
        assert window.in_flight() == sum(e.state not in FINAL for e in self.model.values())


TestWindow = WindowMachine.TestCase
TestWindow.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_a_record_is_delivered_as_often_as_it_may_be():
    window = Window(5)
    for count in (1, 2, 3):
        assert window.acquire(5, 7, [(5, 6)], 1, 1, 100) == [Acquired(5, 5, count)]
        window.free_where(lambda span: span.deadline_ms <= 100, LIMIT)
    assert (window.start, window.end) == (6, 6)


def test_nothing_is_changed_when_one_of_the_answers_is_refused():
    window = Window(0)
    window.acquire(0, 4, [(0, 3)], 2, 1, 100)
    window.acquire(2, 4, [(2, 3)], 2, 2, 100)
    answers = [Answer(0, 1, AcknowledgeType.ACCEPT), Answer(2, 2, AcknowledgeType.ACCEPT)]
    with pytest.raises(AnswerRefused) as caught:
        window.answer(answers, 1, count_limit=LIMIT, deadline_ms=200)
    assert caught.value.offset == 2
    assert window.start == 0
    window.answer(answers[:1], 1, count_limit=LIMIT, deadline_ms=200)
    assert window.start == 2


def test_changes_are_what_was_not_written():
    window = Window(0)
    window.acquire(0, 10, [(0, 9)], 10, 1, 100)
    assert window.changes() == []
    window.answer([Answer(3, 4, AcknowledgeType.ACCEPT)], 1, count_limit=LIMIT, deadline_ms=0)
    window.answer([Answer(6, 6, AcknowledgeType.RELEASE)], 1, count_limit=LIMIT, deadline_ms=0)
    assert window.changes() == [(3, 4, RecordState.ACKNOWLEDGED, 1), (6, 6, AVAILABLE, 1)]
    window.written()
    assert window.changes() == []
