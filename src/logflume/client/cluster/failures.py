"""Error codes of Kafka and of librdkafka (negative) as logflume's errors."""

from __future__ import annotations

from logflume import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from logflume.errors import LogflumeError

__all__ = ["Fail", "RETRIABLE", "admin_errors", "failure"]

TIMED_OUT = frozenset({-185, -192, 7})
"""_TIMED_OUT, _MSG_TIMED_OUT and REQUEST_TIMED_OUT."""
UNREACHABLE = frozenset({-195, -187, -193})
"""_TRANSPORT, _ALL_BROKERS_DOWN, _RESOLVE."""
AUTHENTICATION = frozenset({-169, -181, 33, 34, 58})
"""_AUTHENTICATION, _SSL and Kafka's about SASL."""
AUTHORIZATION = frozenset({29, 30, 31, 53, 65})
FENCED = frozenset({-144, 47, 90})
"""_FENCED, INVALID_PRODUCER_EPOCH, PRODUCER_FENCED."""
PURGED = frozenset({-151, -152})
"""_PURGE_INFLIGHT and _PURGE_QUEUE: an abort drops what is on its way."""
RETRIABLE = frozenset(
    {3, 5, 6, 7, 8, 9, 13, 14, 15, 16, 19, 20, 27, 51, 56, 60, 67, 72, 74, 75, 78, 79, 80}
)
"""Kafka's retriable codes, as its protocol page lists them."""


class Fail:
    """Makes the error for a code, with what is known of its circumstances. Immutable."""

    def __init__(
        self,
        *,
        topic: str | None = None,
        partition: int | None = None,
        group: str | None = None,
        instance: str | None = None,
        transactional_id: str | None = None,
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.group = group
        self.instance = instance
        self.transactional_id = transactional_id

    def __call__(
        self, code: int, text: str, retriable: bool = False, abortable: bool = False
    ) -> LogflumeError:
        made = self._topics(code, text) or self._groups(code, text) or self._sending(code, text)
        if made is not None:
            return made
        if code in TIMED_OUT:
            return errors.Timeout(what=f"the cluster's answer ({text})", seconds=0.0)
        if code in UNREACHABLE:
            return errors.ClusterUnreachable(reason=text)
        if code in AUTHENTICATION:
            return errors.AuthenticationFailed(reason=text)
        if code in AUTHORIZATION:
            return errors.NotAuthorized(reason=text)
        again = retriable or code in RETRIABLE
        kind = errors.RetriableClusterError if again else errors.ClusterError
        error = kind(reason=text, kafka_code=code)
        vars(error)["code"] = code
        return error

    def _topics(self, code: int, text: str) -> LogflumeError | None:
        topic = self.topic or "(unnamed)"
        if code in (3, -188, -190):  # and _UNKNOWN_TOPIC, _UNKNOWN_PARTITION
            return errors.UnknownTopicOrPartition(topic=topic, partition=self.partition)
        if code == 36:
            return errors.TopicExists(topic=topic)
        if code == 17:
            return errors.InvalidTopicName(topic=topic, reason=text)
        if code == 37:
            return errors.InvalidPartitions(
                topic=topic, partitions=self.partition or 0, reason=text
            )
        if code == 40:
            name = f"group {self.group}" if self.topic is None and self.group else topic
            return errors.InvalidConfig(name=name, value="(as given)", reason=text)
        return None

    def _groups(self, code: int, text: str) -> LogflumeError | None:
        group = self.group or ""
        if code in (22, 27):
            return errors.CommitFailed(group=group, reason=text)
        if code == 25:
            return errors.UnknownMember(group=group, member="this consumer")
        if code == 24:
            return errors.InvalidGroup(group=group, reason=text)
        if code == 68:
            return errors.GroupNotEmpty(group=group)
        if code == 69:
            return errors.GroupNotFound(group=group)
        if code in (82, -144) and self.instance is not None:
            return errors.FencedInstance(group=group, instance=self.instance)
        return None

    def _sending(self, code: int, text: str) -> LogflumeError | None:
        if code in (10, 18):
            return errors.RecordTooLarge(property="max.request.size or max.message.bytes")
        if code in (87, 2):
            return errors.InvalidRecord(reason=text)
        if code == 32:
            return errors.InvalidTimestamp(timestamp=-1, reason=text)
        if code == 76:
            return errors.UnsupportedCompression(codec="(as given)", reason=text)
        if code in FENCED and self.transactional_id is not None:
            return errors.ProducerFenced(transactional_id=self.transactional_id, reason=text)
        if code in PURGED and self.transactional_id is not None:
            return errors.TransactionAborted(transactional_id=self.transactional_id, reason=text)
        if code in (48, -172):  # and _STATE
            return errors.InvalidTxnState(transactional_id=self.transactional_id, reason=text)
        return None


def failure(code: int, text: str, **circumstances: str | int | None) -> LogflumeError:
    """The error for a code, once."""
    return Fail(**circumstances)(code, text)  # type: ignore[arg-type]


def admin_errors(**circumstances: str | int | None) -> AbstractContextManager[None]:
    """A block in which confluent-kafka's exceptions become logflume's."""
    from contextlib import contextmanager

    from confluent_kafka import KafkaException

    @contextmanager
    def block() -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            told = error.args[0]
            raise failure(told.code(), told.str(), **circumstances) from error

    return block()
