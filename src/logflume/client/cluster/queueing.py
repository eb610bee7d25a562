"""A member of a cluster's share group (KIP-932), behind what a Queue asks of an engine."""

from __future__ import annotations

import time
from contextlib import contextmanager

from logflume._native.queue_messages import records_of_messages
from logflume.client.cluster.failures import Fail
from logflume.client.cluster.share_consumer import SLICE_S, PollingShareConsumer
from logflume.coordinator.share.states import AcknowledgeType
from logflume.errors import InvalidGroup, InvalidRecordState, Timeout, UnsupportedByEngine
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from logflume._native.queue_record import QueueRecord
    from logflume.client.cluster.cluster import Cluster
    from logflume.client.queue.answers import Answers, Outcome
    from logflume.config import QueueConfig
    from logflume.errors import LogflumeError

__all__ = ["ClusterQueue"]

_LOOK_S = 0.002
_SHARE_GROUP_HEARTBEAT = 76
_NO_SHARE_GROUPS = frozenset((35, -165))
"""UNSUPPORTED_VERSION, and librdkafka's _UNSUPPORTED_FEATURE."""
_OTHER_GROUP = 69
# The group's own settings, which a share consumer is not asked for.
_OF_GROUP = (
    "share.auto.offset.reset",
    "share.isolation.level",
    "share.record.lock.duration.ms",
)


class ClusterQueue:
    """See client.engine.QueueCore. Not thread-safe, but for wake()."""

    def __init__(self, cluster: Cluster, config: QueueConfig, topics: list[str]) -> None:
        self._fail = Fail(group=config.group_id)
        self._group = config.group_id
        self._timeout_s = cluster.timeout_s
        if not cluster.offers(_SHARE_GROUP_HEARTBEAT):
            # librdkafka would look for another coordinator for ever.
            raise _no_share_groups()
        with cluster.readers.lend() as handle:
            for name in topics:
                cluster.count_partitions(handle, name)
        given = config.strings()
        wanted = {name: given[name] for name in _OF_GROUP if given.get(name)}
        if wanted:
            cluster.admin.set_group_config(config.group_id, wanted)
        settings = {
            "group.id": config.group_id,
            "check.crcs": "true" if config.check_crcs else "false",
            "max.poll.records": str(config.max_poll_records),
        }
        if config.client_id is not None:
            settings["client.id"] = config.client_id
        with self._explained():
            self._consumer = PollingShareConsumer(
                cluster.settings(settings), topics, self._come_back
            )
        self._at_hand: list[QueueRecord] = []
        self._on_way: dict[TopicPartition, set[int]] = {}
        self._outcome: Outcome = {}

    # ---- records

    def take(self, max_records: int) -> tuple[list[QueueRecord], float]:
        """See QueueCore; raises UnsupportedByEngine where the cluster has no share groups."""
        if not self._at_hand:
            with self._explained():
                messages = self._consumer.poll()
            if messages:
                self._at_hand = records_of_messages(self._sound(messages))
        taken, self._at_hand = self._at_hand[:max_records], self._at_hand[max_records:]
        return taken, SLICE_S

    def _sound(self, messages: list[Any]) -> list[Any]:
        """Those that are records. Raises what went wrong, when there are none."""
        failed = [message for message in messages if message.error() is not None]
        for message in failed:
            if message.offset() is not None and message.offset() >= 0:
                # It counts as delivered: for another member, or until it was delivered too often.
                where = message.topic(), message.partition(), message.offset()
                self._consumer.acknowledge(*where, AcknowledgeType.RELEASE)
        sound = [message for message in messages if message.error() is None]
        if failed and not sound:
            told = failed[0].error()
            raise Fail(topic=failed[0].topic(), partition=failed[0].partition(), group=self._group)(
                told.code(), told.str(), told.retriable()
            )
        return sound

    @property
    def is_joining(self) -> bool:
        """See QueueCore."""
        return not self._at_hand and self._consumer.is_joining

    def wait(self, seconds: float) -> None:
        """See QueueCore."""
        self._consumer.ask()
        self._consumer.signal.wait(seconds)

    def wake(self) -> None:
        """End a wait, or the next one; from any thread."""
        self._consumer.signal.wake()

    def readers(self) -> list[Any]:
        """A descriptor that is readable once there is news of records, which this call has waited for."""
        self._consumer.ask()
        return [self._consumer.signal]

    # ---- answers

    def check_renew(self) -> None:
        """librdkafka 2.16 has no RENEW. Raises UnsupportedByEngine."""
        raise UnsupportedByEngine(
            what="renew(), which librdkafka does not have yet,",
            instead="a longer share.record.lock.duration.ms",
        )

    def answer(self, answers: Answers, *, wait: bool) -> Outcome:
        """See QueueCore."""
        refused = self._give(answers)
        with self._explained():
            if wait:
                self._commit()
            elif answers and self._at_hand:
                self._consumer.send()  # else the poll that comes now takes them along
        outcome, self._outcome = self._outcome, {}
        return {**outcome, **refused}

    def _give(self, answers: Answers) -> Outcome:
        refused: Outcome = {}
        for where, spans in answers.items():
            on_way = self._on_way.setdefault(where, set())
            for first, last, kind in spans:
                for offset in range(first, last + 1):
                    try:
                        self._consumer.acknowledge(*where, offset, kind)
                    except RuntimeError as error:  # what confluent-kafka's illegal states are
                        refused[where] = InvalidRecordState(
                            topic=where.topic,
                            partition=where.partition,
                            offset=offset,
                            reason=str(error),
                        )
                    else:
                        on_way.add(offset)
        return refused

    def _commit(self) -> None:
        """Until all answers came back, also those that an earlier poll took along."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            found = self._consumer.commit(max(deadline - time.monotonic(), 0.0))
            for place, error in found.items():
                where = TopicPartition(place.topic, place.partition)
                self._note(where, None if error is None else self._made(where, error))
            if not any(self._on_way.values()):
                self._on_way.clear()
                return
            if time.monotonic() > deadline:
                raise Timeout(what="the cluster's word on answers", seconds=self._timeout_s)
            time.sleep(_LOOK_S)

    def _come_back(self, offsets: dict[Any, set[int]], error: Any) -> None:
        """What became of answers; called from within polls and commits."""
        for place, answered in offsets.items():
            where = TopicPartition(place.topic, place.partition)
            on_way = self._on_way.get(where)
            if on_way is not None:
                on_way -= answered
            self._note(where, None if error is None else self._made(where, error))

    def _note(self, where: TopicPartition, error: LogflumeError | None) -> None:
        if error is not None or self._outcome.get(where) is None:
            self._outcome[where] = error

    def _made(self, where: TopicPartition, error: Any) -> LogflumeError:
        told = error.args[0]
        if told.code() == InvalidRecordState.code:
            return InvalidRecordState(
                topic=where.topic, partition=where.partition, offset=-1, reason=told.str()
            )
        return self._fail(told.code(), told.str(), told.retriable())

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from confluent_kafka import KafkaException

        try:
            yield
        except KafkaException as error:
            told = error.args[0]
            if told.code() in _NO_SHARE_GROUPS:
                raise _no_share_groups() from error
            if told.code() == _OTHER_GROUP:
                raise InvalidGroup(
                    group=self._group, reason="it is a group of another kind"
                ) from error
            raise self._fail(told.code(), told.str(), told.retriable()) from error

    # ---- life

    def close(self) -> None:
        """See QueueCore."""
        self._at_hand = []
        with self._explained():
            self._consumer.close()

    def abandon(self) -> None:
        """See QueueCore."""
        self._consumer.abandon()


def _no_share_groups() -> UnsupportedByEngine:
    return UnsupportedByEngine(
        what="queue() on a cluster without share groups (Kafka before 4.2, or share.version=0)",
        instead="kafka-features upgrade --feature share.version=1, or a consumer in a group",
    )
