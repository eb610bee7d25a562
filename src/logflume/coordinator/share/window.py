"""The records of one partition that a share group has in flight: a state machine of ranges of offsets.

The window goes from `start` (Kafka's SPSO) to `end`, exclusive; every offset in it is in one span, and the first
span is not final. Below it all is done, from `end` on nothing was delivered yet. Source: KIP-932, KIP-1222.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from .states import AcknowledgeType, Acquired, Answer, RecordState, StateBatch

__all__ = ["AnswerRefused", "Span", "Window"]

AVAILABLE, ACQUIRED = RecordState.AVAILABLE, RecordState.ACQUIRED
ACKNOWLEDGED, ARCHIVED = RecordState.ACKNOWLEDGED, RecordState.ARCHIVED
FINAL = (ACKNOWLEDGED, ARCHIVED)

_first = attrgetter("first")

# What is read in one go though other offsets lie between, which somebody has or which are done.
BRIDGED_OFFSETS_MAX = 64


class AnswerRefused(Exception):
    """An answer for a record that the member does not hold. Nothing was changed. The engine tells more."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(offset, reason)
        self.offset = offset
        self.reason = reason


class Span:
    """Offsets `first` to `last`, inclusive, of one state.

    `holder` (a number of the window's owner, 0: none) and `deadline_ms` are there while it is acquired. `dirty`: its
    state is durable by kind, but was not written since it came about.
    """

    __slots__ = ("count", "deadline_ms", "dirty", "first", "holder", "last", "state")

    def __init__(
        self,
        first: int,
        last: int,
        state: RecordState,
        count: int,
        holder: int = 0,
        deadline_ms: int = 0,
        dirty: bool = False,
    ) -> None:
        self.first = first
        self.last = last
        self.state = state
        self.count = count
        self.holder = holder
        self.deadline_ms = deadline_ms
        self.dirty = dirty

    def same(self, other: Span) -> bool:
        """Whether both may be one; what was not written makes no difference."""
        return (
            self.state is other.state
            and self.count == other.count
            and self.holder == other.holder
            and self.deadline_ms == other.deadline_ms
        )

    def __repr__(self) -> str:
        held = f" by {self.holder} until {self.deadline_ms}" if self.holder else ""
        return f"<{self.first}-{self.last} {self.state.name} x{self.count}{held}>"


class Window:
    """Not thread-safe. Time is an argument: milliseconds since 1970."""

    def __init__(self, start: int, spans: Iterable[Span] = (), end: int | None = None) -> None:
        self.start = start
        self.spans = list(spans)
        self.end = end if end is not None else (self.spans[-1].last + 1 if self.spans else start)

    # ---- what there is

    def in_flight(self) -> int:
        """Records that are held, or wait to be delivered again."""
        return sum(s.last - s.first + 1 for s in self.spans if s.state not in FINAL)

    def complete_count(self) -> int:
        """Offsets of the window that are done (Kafka's DeliveryCompleteCount)."""
        return sum(s.last - s.first + 1 for s in self.spans if s.state in FINAL)

    def next_deadline_ms(self) -> int | None:
        """When the first lock runs out."""
        return min((s.deadline_ms for s in self.spans if s.holder), default=None)

    def holders(self) -> set[int]:
        """Who holds anything."""
        return {s.holder for s in self.spans if s.holder}

    def plan(self, limit: int) -> list[tuple[int, int]]:
        """Where to look for up to `limit` records that wait to be delivered again: (first, last) of each stretch.

        Stretches of available offsets that lie close are one, with what is between them.
        """
        out: list[tuple[int, int]] = []
        for span in self.spans:
            if span.state is not AVAILABLE:
                continue
            if limit <= 0:
                break
            last = min(span.last, span.first + limit - 1)
            limit -= last - span.first + 1
            if out and span.first - out[-1][1] <= BRIDGED_OFFSETS_MAX:
                out[-1] = (out[-1][0], last)
            else:
                out.append((span.first, last))
        return out

    # ---- acquiring

    def acquire(
        self,
        first: int,
        end: int,
        runs: Sequence[tuple[int, int]],
        limit: int,
        holder: int,
        deadline_ms: int,
    ) -> list[Acquired]:
        """Take up to `limit` of the offsets in `runs`, which are all that exist from `first` to `end`, exclusive.

        Takes what is available, and what lies behind the window if `first` is not behind its end. Other offsets
        that are available have no record (compaction, markers): they are archived. Looks no further than the last
        one taken, once the limit is reached.
        """
        if first > self.end:
            raise ValueError(
                f"offsets from {first} on do not join a window that ends at {self.end}"
            )
        taken: list[Acquired] = []
        at = max(first, self.start)
        for run_first, run_last in runs:
            if limit <= 0 or run_last < at:
                if limit <= 0:
                    break
                continue
            begin = max(run_first, at)
            self._archive_gap(at, begin)
            at = begin
            for piece in self._free_pieces(begin, run_last):
                if limit <= 0:
                    break
                last = min(piece[1], piece[0] + limit - 1)
                limit -= last - piece[0] + 1
                taken.append(self._take(piece[0], last, piece[2] + 1, holder, deadline_ms))
                at = last + 1
            if limit > 0:
                at = run_last + 1
        if limit > 0:
            self._archive_gap(at, end)
        self._advance()
        return _joined(taken)

    def _free_pieces(self, first: int, last: int) -> list[tuple[int, int, int]]:
        """(first, last, delivery count) of what can be taken between two offsets, inclusive."""
        out = [
            (max(s.first, first), min(s.last, last), s.count)
            for s in self._touching(first, last)
            if s.state is AVAILABLE
        ]
        if last >= self.end:
            out.append((max(first, self.end), last, 0))
        return out

    def _take(self, first: int, last: int, count: int, holder: int, deadline_ms: int) -> Acquired:
        if first >= self.end:
            self._extend(Span(first, last, ACQUIRED, count, holder, deadline_ms))
        else:
            self._set(first, last, ACQUIRED, holder=holder, deadline_ms=deadline_ms, count=count)
        return Acquired(first, last, count)

    def _archive_gap(self, first: int, end: int) -> None:
        """Offsets without records, `end` exclusive: those that are available, or behind the window, are done."""
        if end <= first:
            return
        for span in [s for s in self._touching(first, end - 1) if s.state is AVAILABLE]:
            self._set(max(span.first, first), min(span.last, end - 1), ARCHIVED)
        if end > self.end:
            self._extend(Span(self.end, end - 1, ARCHIVED, 0, dirty=True))

    def _extend(self, span: Span) -> None:
        assert span.first == self.end, (span, self.end)
        before = self.spans[-1] if self.spans else None
        if before is not None and before.same(span):
            before.last = span.last
            before.dirty |= span.dirty
        else:
            self.spans.append(span)
        self.end = span.last + 1

    # ---- answers

    def answer(
        self,
        answers: Sequence[Answer],
        holder: int,
        *,
        count_limit: int,
        deadline_ms: int,
        renew: bool = True,
    ) -> None:
        """Do what a holder says of its records, all of it or nothing. Answers for what lies below the window are
        let pass: the log's start has moved over it. Raises AnswerRefused."""
        for answer in answers:
            self._check(answer, holder)
            if answer.type is AcknowledgeType.RENEW and not renew:
                raise AnswerRefused(
                    answer.first, "the group does not renew (share.renew.acknowledge.enable)"
                )
        for answered, last, kind in answers:
            first = max(answered, self.start)
            if first > last:
                continue
            if kind is AcknowledgeType.RENEW:
                self._set(first, last, ACQUIRED, holder=holder, deadline_ms=deadline_ms)
            elif kind is AcknowledgeType.ACCEPT:
                self._set(first, last, ACKNOWLEDGED)
            elif kind is AcknowledgeType.RELEASE:
                self._free(first, last, count_limit)
            else:
                self._set(first, last, ARCHIVED)
        self._advance()

    def _check(self, answer: Answer, holder: int) -> None:
        first = max(answer.first, self.start)
        if answer.first > answer.last:
            raise AnswerRefused(answer.first, f"its range ends at {answer.last}")
        if answer.last >= self.end:
            raise AnswerRefused(answer.last, "it was not delivered")
        for span in self._touching(first, answer.last):
            if span.holder != holder:
                state = span.state.name.lower()
                raise AnswerRefused(
                    max(span.first, first),
                    f"it is {state}" + (" by another member" if span.holder else ""),
                )

    def _free(self, first: int, last: int, count_limit: int, *, taken_back: int = 0) -> None:
        """Available again; archived where it was delivered as often as it may be."""
        for span in self._isolated(first, last):
            span.count = max(span.count - taken_back, 0)
            span.state = AVAILABLE if span.count < count_limit else ARCHIVED
            span.holder = span.deadline_ms = 0
            span.dirty = True
        self._join(first, last)

    def free_where(
        self, is_over: Callable[[Span], bool], count_limit: int, *, taken_back: int = 0
    ) -> bool:
        """Free what is held and `is_over`: its lock ran out, its holder died or left. True when there was any.

        `taken_back`: deliveries that are not counted after all.
        """
        over = [(s.first, s.last) for s in self.spans if s.holder and is_over(s)]
        for first, last in over:
            self._free(first, last, count_limit, taken_back=taken_back)
        if over:
            self._advance()
        return bool(over)

    # ---- the log's start, and what is durable

    def move_start(self, offset: int) -> bool:
        """The log begins at `offset` now: nothing below can be delivered. True when that moved the window."""
        if offset <= self.start:
            return False
        self._split(offset)
        self.spans = [s for s in self.spans if s.first >= offset]
        self.start = offset
        self.end = max(self.end, offset)
        self._advance()
        return True

    def cut_end(self, offset: int) -> None:
        """The log ends at `offset`, below the window's end: a power loss cut it."""
        if offset >= self.end:
            return
        if offset > self.start:
            self._split(offset)
        self.spans = [s for s in self.spans if s.last < offset]
        self.end = max(offset, 0)
        self.start = min(self.start, self.end)
        self._advance()

    def overlay(self, start: int, batches: Iterable[StateBatch]) -> None:
        """Take over what a durable record says. Holders of what it names lose it; what is behind the end joins."""
        for batch in batches:
            first = max(batch.first, self.start)
            if first > batch.last:
                continue
            if first > self.end:
                self._extend(Span(self.end, first - 1, AVAILABLE, 0))
            inside = min(batch.last, self.end - 1)
            if first <= inside:
                for span in self._isolated(first, inside):
                    span.state, span.count = batch.state, batch.delivery_count
                    span.holder = span.deadline_ms = 0
                    span.dirty = False
                self._join(first, inside)
            if batch.last >= self.end:
                self._extend(Span(self.end, batch.last, batch.state, batch.delivery_count))
        if start > self.start:
            self.move_start(start)
        self._advance()

    def changes(self) -> list[StateBatch]:
        """What is durable by kind and was not written yet."""
        return [_batch(s) for s in self.spans if s.dirty]

    def written(self) -> None:
        """The changes are in the log."""
        for span in self.spans:
            span.dirty = False

    def batches(self) -> list[StateBatch]:
        """All of it that a snapshot says. A record that is held is as available as if its holder had died; what was
        never delivered before says nothing."""
        out: list[StateBatch] = []
        for span in self.spans:
            batch = _batch(span) if not span.holder else None
            if batch is None:
                batch = StateBatch(span.first, span.last, AVAILABLE, span.count)
            last = out[-1] if out else None
            if last is not None and (last.state, last.delivery_count) == batch[2:]:
                out[-1] = last._replace(last=batch.last)
            else:
                out.append(batch)
        return out

    # ---- spans

    def _index(self, offset: int) -> int:
        """Of the span that has the offset; it is in the window."""
        return bisect_right(self.spans, offset, key=_first) - 1

    def _touching(self, first: int, last: int) -> list[Span]:
        if not self.spans or first >= self.end or last < self.start:
            return []
        begin = self._index(max(first, self.start))
        return self.spans[begin : self._index(min(last, self.end - 1)) + 1]

    def _split(self, offset: int) -> int:
        """Have a span begin at `offset`; its index."""
        if offset >= self.end:
            return len(self.spans)
        i = self._index(offset)
        span = self.spans[i]
        if span.first == offset:
            return i
        rest = Span(
            offset, span.last, span.state, span.count, span.holder, span.deadline_ms, span.dirty
        )
        span.last = offset - 1
        self.spans.insert(i + 1, rest)
        return i + 1

    def _isolated(self, first: int, last: int) -> list[Span]:
        """The spans of these offsets and no others."""
        begin = self._split(first)
        return self.spans[begin : self._split(last + 1)]

    def _set(
        self,
        first: int,
        last: int,
        state: RecordState,
        *,
        holder: int = 0,
        deadline_ms: int = 0,
        count: int | None = None,
    ) -> None:
        for span in self._isolated(first, last):
            span.state, span.holder, span.deadline_ms = state, holder, deadline_ms
            span.dirty = not holder
            if count is not None:
                span.count = count
        self._join(first, last)

    def _join(self, first: int, last: int) -> None:
        """Make one of neighbours that are the same, from before `first` to behind `last`."""
        begin = max(self._index(first) - 1, 0)
        stop = min(self._index(min(last + 1, self.end - 1)) + 1, len(self.spans))
        kept: list[Span] = []
        for span in self.spans[begin:stop]:
            if kept and kept[-1].same(span):
                kept[-1].last = span.last
                kept[-1].dirty |= span.dirty
            else:
                kept.append(span)
        self.spans[begin:stop] = kept

    def _advance(self) -> None:
        """Done at the front: the window begins behind it."""
        done = 0
        for span in self.spans:
            if span.state not in FINAL:
                break
            done += 1
        if done:
            self.start = self.spans[done - 1].last + 1
            del self.spans[:done]


def _batch(span: Span) -> StateBatch:
    return StateBatch(span.first, span.last, span.state, span.count)


def _joined(taken: list[Acquired]) -> list[Acquired]:
    out: list[Acquired] = []
    for piece in taken:
        last = out[-1] if out else None
        if last is not None and last.last + 1 == piece.first and last[2] == piece[2]:
            out[-1] = last._replace(last=piece.last)
        else:
            out.append(piece)
    return out
