"""What became of the records that a queue handed out."""

from __future__ import annotations

from logflume.coordinator.share.states import AcknowledgeType, Answer
from logflume.errors import InvalidRecordState, UnansweredRecords
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from logflume._native.queue_record import QueueRecord
    from logflume.errors import LogflumeError

    Answers = dict[TopicPartition, list[Answer]]
    """By partition, ascending, not overlapping."""
    Outcome = dict[TopicPartition, LogflumeError | None]

__all__ = ["OpenAnswers"]


class OpenAnswers:
    """Records handed out and not answered for good, and answers that were not handed in yet. Not thread-safe.

    A renewed record stays open: it wants an answer still, and is not accepted by itself any more.
    """

    def __init__(self, group: str, *, explicit: bool) -> None:
        self._group = group
        self._explicit = explicit
        # Of each partition, by offset: the answer, None when there is none yet.
        self._open: dict[TopicPartition, dict[int, AcknowledgeType | None]] = {}
        self._renewed: dict[TopicPartition, set[int]] = {}

    def add(self, records: Iterable[QueueRecord]) -> None:
        """These were handed out."""
        topic, number, offsets = "", -1, {}
        for record in records:
            if record.partition != number or record.topic != topic:
                topic, number = record.topic, record.partition
                offsets = self._open.setdefault(TopicPartition(topic, number), {})
            offsets[record.offset] = None

    def give(self, record: QueueRecord, answer: AcknowledgeType) -> None:
        """Answer one; a later answer takes the place of one that was not handed in. Raises InvalidRecordState."""
        where = TopicPartition(record.topic, record.partition)
        offsets = self._open.get(where)
        if offsets is None or record.offset not in offsets:
            raise InvalidRecordState(
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                reason="this queue did not hand it out, or its answer was handed in",
            )
        offsets[record.offset] = answer

    def unanswered(self) -> int:
        """How many want an answer before the next poll, where answers are explicit."""
        return sum(
            1
            for where, offsets in self._open.items()
            for offset, answer in offsets.items()
            if answer is None and offset not in self._renewed.get(where, ())
        )

    def check(self) -> None:
        """Before a poll. Raises UnansweredRecords."""
        if self._explicit and (count := self.unanswered()):
            raise UnansweredRecords(group=self._group, count=count)

    def take(self) -> Answers:
        """The answers to be handed in now; where implicit, everything open is accepted but what was renewed."""
        return self._collect(None if self._explicit else AcknowledgeType.ACCEPT)

    def given(self) -> Answers:
        """The answers that were given, for one who leaves: nothing is accepted by itself."""
        return self._collect(None)

    def _collect(self, default: AcknowledgeType | None) -> Answers:
        out: Answers = {}
        for where, offsets in list(self._open.items()):
            renewed = self._renewed.get(where, set())
            kept: dict[int, AcknowledgeType | None] = {}
            spans: list[Answer] = []
            for offset in sorted(offsets):
                answer = offsets[offset]
                if answer is None:
                    answer = None if offset in renewed else default
                if answer is None or answer is AcknowledgeType.RENEW:
                    kept[offset] = None
                if answer is None:
                    continue
                if answer is AcknowledgeType.RENEW:
                    renewed.add(offset)
                last = spans[-1] if spans else None
                if last is not None and last.last == offset - 1 and last.type is answer:
                    spans[-1] = Answer(last.first, offset, answer)
                else:
                    spans.append(Answer(offset, offset, answer))
            self._renewed[where] = renewed & kept.keys()
            self._open[where] = kept
            if not kept:
                del self._open[where], self._renewed[where]
            if spans:
                out[where] = spans
        return out
