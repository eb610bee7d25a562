"""What became of the records that a queue handed out."""

from __future__ import annotations

from logflume._native.queue_record import record_spans
from logflume.coordinator.share.states import AcknowledgeType, Answer
from logflume.errors import InvalidRecordState, UnansweredRecords
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume._native.queue_record import QueueRecord
    from logflume.errors import LogflumeError

    Answers = dict[TopicPartition, list[Answer]]
    """By partition, ascending, not overlapping."""
    Outcome = dict[TopicPartition, LogflumeError | None]

__all__ = ["OpenAnswers"]


class _Open:
    """What is open of one partition: `spans` of offsets (first, last), and the answers given for some of them."""

    __slots__ = ("answers", "renewed", "spans")

    def __init__(self) -> None:
        self.spans: list[tuple[int, int]] = []
        self.answers: dict[int, AcknowledgeType] = {}
        self.renewed: set[int] = set()

    def has(self, offset: int) -> bool:
        return any(first <= offset <= last for first, last in self.spans)

    def unanswered(self) -> int:
        asked = sum(last - first + 1 for first, last in self.spans)
        return asked - len(self.answers.keys() | self.renewed)

    def collect(self, default: AcknowledgeType | None) -> list[Answer]:
        """The answers to be handed in; what is left open stays."""
        if not self.answers and not self.renewed:
            if default is None:
                return []
            spans, self.spans = sorted(self.spans), []
            return [Answer(first, last, default) for first, last in spans]
        out: list[Answer] = []
        kept: list[tuple[int, int]] = []
        for first, last in sorted(self.spans):
            for offset in range(first, last + 1):
                answer = self.answers.get(offset, None if offset in self.renewed else default)
                if answer is None or answer is AcknowledgeType.RENEW:
                    if kept and kept[-1][1] == offset - 1:
                        kept[-1] = kept[-1][0], offset
                    else:
                        kept.append((offset, offset))
                if answer is None:
                    continue
                if answer is AcknowledgeType.RENEW:
                    self.renewed.add(offset)
                else:
                    self.renewed.discard(offset)
                if out and out[-1].last == offset - 1 and out[-1].type is answer:
                    out[-1] = out[-1]._replace(last=offset)
                else:
                    out.append(Answer(offset, offset, answer))
        self.spans = kept
        self.answers.clear()
        return out


class OpenAnswers:
    """Records handed out and not answered for good, and answers that were not handed in yet. Not thread-safe.

    A renewed record stays open: it wants an answer still, and is not accepted by itself any more.
    """

    def __init__(self, group: str, *, explicit: bool) -> None:
        self._group = group
        self._explicit = explicit
        self._open: dict[TopicPartition, _Open] = {}

    def add(self, records: list[QueueRecord]) -> None:
        """These were handed out."""
        for topic, number, first, last in record_spans(records):
            found = self._open.setdefault(TopicPartition(topic, number), _Open())
            spans = found.spans
            if spans and spans[-1][1] == first - 1:
                spans[-1] = spans[-1][0], last
            else:
                spans.append((first, last))

    def give(self, record: QueueRecord, answer: AcknowledgeType) -> None:
        """Answer one; a later answer takes the place of one that was not handed in. Raises InvalidRecordState."""
        found = self._open.get(TopicPartition(record.topic, record.partition))
        if found is None or not found.has(record.offset):
            raise InvalidRecordState(
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                reason="this queue did not hand it out, or its answer was handed in",
            )
        found.answers[record.offset] = answer

    def check(self) -> None:
        """Before a poll. Raises UnansweredRecords."""
        if self._explicit and (count := sum(o.unanswered() for o in self._open.values())):
            raise UnansweredRecords(group=self._group, count=count)

    def take(self) -> Answers:
        """The answers to be handed in now; where implicit, everything open is accepted but what was renewed."""
        return self._collect(None if self._explicit else AcknowledgeType.ACCEPT)

    def given(self) -> Answers:
        """The answers that were given, for one who leaves: nothing is accepted by itself."""
        return self._collect(None)

    def _collect(self, default: AcknowledgeType | None) -> Answers:
        collected = {where: found.collect(default) for where, found in self._open.items()}
        self._open = {where: found for where, found in self._open.items() if found.spans}
        return {where: answers for where, answers in collected.items() if answers}
