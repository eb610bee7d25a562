"""What a Log stands on: a directory of its own, or a Kafka cluster. Everything above asks for no more than this."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from typing import Any, Protocol, TypeVar

    from logflume._native.columns import RecordBatch
    from logflume._native.consumer_core import RecordIterator
    from logflume._native.queue_record import QueueRecord
    from logflume.client.queue.answers import Answers, Outcome
    from logflume.config import ConsumerConfig, ProducerConfig, QueueConfig
    from logflume.config.option import Config
    from logflume.config.topic import TopicConfig
    from logflume.types import (
        OffsetAndMetadata,
        OffsetAndTimestamp,
        PartitionReport,
        TopicPartition,
    )

    C = TypeVar("C", bound=Config)
    Listener = Callable[[list[TopicPartition]], None]
else:

    class Protocol:
        """Stands in for typing.Protocol, which is not imported at run time."""


__all__ = ["Assignment", "Engine", "ProducerCore", "QueueCore", "Subscription", "TopicInfo"]


class TopicInfo(Protocol):
    """A topic: its name, number of partitions and settings; `topic_id` is Kafka's, 22 characters."""

    @property
    def name(self) -> str: ...
    @property
    def topic_id(self) -> str | None: ...
    @property
    def partitions(self) -> int: ...
    @property
    def config(self) -> TopicConfig: ...


class Engine(Protocol):
    """Thread-safe. Errors of all calls are logflume's; what it cannot do raises UnsupportedByEngine."""

    @property
    def path(self) -> str:
        """The directory, or the cluster's address without its options."""

    @property
    def is_remote(self) -> bool:
        """True when calls may wait for a network."""

    @property
    def closed(self) -> bool: ...

    def topics(self, *, internal: bool = False) -> list[str]: ...
    def topic(self, name: str) -> TopicInfo: ...
    def create_topic(
        self,
        name: str,
        *,
        partitions: int | None = None,
        config: Mapping[str, object] | None = None,
    ) -> object: ...
    def alter_topic(
        self,
        name: str,
        *,
        partitions: int | None = None,
        config: Mapping[str, object] | None = None,
    ) -> object: ...
    def delete_topic(self, name: str) -> None: ...
    def partition(self, topic: str, number: int) -> Any: ...
    def partitions(self, topic: str) -> Sequence[Any]: ...
    def delete_records(self, topic: str, number: int, before: int) -> int: ...
    def committed_by_groups(
        self, topics: Collection[str]
    ) -> dict[str, dict[TopicPartition, OffsetAndMetadata]]:
        """All that each group has committed for these topics."""

    def partition_reports(self) -> list[PartitionReport]: ...

    def parse(self, table: type[C], options: Mapping[str, object]) -> C:
        """Options of a producer or consumer, as this engine takes them."""

    def producer_core(self, config: ProducerConfig, wake: Callable[[], None]) -> ProducerCore: ...
    def assignment(self, config: ConsumerConfig) -> Assignment: ...
    def subscription(
        self, config: ConsumerConfig, assignment: Any, give_back: Callable[[], None]
    ) -> Subscription: ...
    def queue_core(self, config: QueueConfig, topics: list[str]) -> QueueCore:
        """What a Queue stands on; a member of its share group until it is closed."""

    def close(self) -> None: ...


class ProducerCore(Protocol):
    """What a Producer calls; see logflume.Producer for what each means."""

    @property
    def transactions(self) -> Any:
        """As client.transactions.TransactionOwner; None for a producer without transactional.id."""

    def send(self, *args: Any, **options: Any) -> Any: ...
    def send_many(self, *args: Any, **options: Any) -> Any: ...
    def flush(self) -> None: ...
    def publish(self) -> None: ...
    def is_closed(self) -> bool: ...
    def close(self) -> None: ...
    def abandon(self) -> None: ...
    def tick(self) -> float | None:
        """What is due; seconds until it should be asked again."""

    def topics(self) -> list[tuple[str, int]]: ...
    def seen(self, topic: str) -> object: ...
    def forget(self, topic: str) -> None: ...
    def note_failure(self, error: Exception) -> None: ...


class Assignment(Protocol):
    """The partitions that a consumer reads, and where it stands in each. Not thread-safe, but for wake()."""

    def partitions(self) -> set[TopicPartition]: ...
    def pause(self, wheres: Iterable[TopicPartition]) -> None: ...
    def resume(self, wheres: Iterable[TopicPartition]) -> None: ...
    def paused(self) -> set[TopicPartition]: ...
    def position(self, where: TopicPartition) -> int: ...
    def positions(self) -> dict[TopicPartition, int]: ...
    def seek(self, where: TopicPartition, offset: int) -> None: ...
    def start_offsets(self, wheres: Iterable[TopicPartition]) -> dict[TopicPartition, int]: ...
    def end_offsets(self, wheres: Iterable[TopicPartition]) -> dict[TopicPartition, int]: ...
    def offsets_for_times(
        self, times: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]: ...
    def fetch(self, max_records: int) -> RecordBatch | None:
        """What is there now; None when nothing is."""

    def has_news(self, records: RecordIterator) -> bool:
        """False only when fetch() would find nothing, and `records` has none left to hand out. Cheap."""

    def has_readers(self) -> bool:
        """False when there is nothing to wait for."""

    def wait(self, seconds: float) -> bool:
        """Sleep until there may be news; may return early."""

    def wake(self) -> None: ...
    def readers(self) -> list[Any]:
        """What logflume.aio waits for, see its Sleeper."""

    def group_position(self) -> Any:
        """What a cluster's transaction tells of this member."""

    def close(self) -> None: ...


class Subscription(Protocol):
    """From what was asked for to what is read. Not thread-safe."""

    @property
    def in_group(self) -> bool: ...
    def topics(self) -> set[str]: ...
    def subscribe(
        self,
        topics: tuple[Any, ...],
        on_assigned: Listener | None,
        on_revoked: Listener | None,
        on_lost: Listener | None,
    ) -> None: ...
    def assign(self, wheres: list[TopicPartition]) -> None: ...
    def unsubscribe(self, *, commit: bool = True) -> None: ...
    def due(self) -> Callable[[], None] | None: ...
    def is_due(self) -> bool:
        """False only when settle() and keep_up() would find nothing to do. Cheap."""

    def keep_up(self) -> float: ...
    def settle(self) -> None: ...
    def committed(self, where: TopicPartition) -> OffsetAndMetadata | None: ...
    def commit(
        self, offsets: dict[TopicPartition, OffsetAndMetadata], *, durable: bool
    ) -> None: ...
    def check_commit(
        self, offsets: dict[TopicPartition, OffsetAndMetadata], *, durable: bool
    ) -> None: ...
    def close(self, *, commit: bool = True) -> None: ...


class QueueCore(Protocol):
    """Takes records of a share group and hands in what became of them. Not thread-safe, but for wake()."""

    def answer(self, answers: Answers, *, wait: bool) -> Outcome:
        """Hand in answers. With `wait` they are durable when this returns (Kafka's commitSync), without it the next
        take() may carry them. What became of those that came back since the last call, by partition: None when the
        answers count. Raises only when nothing was handed in."""

    def take(self, max_records: int) -> tuple[list[QueueRecord], float]:
        """What is there now, without waiting for more; and for how many seconds the next wait may last at most."""

    def wait(self, seconds: float) -> None:
        """Sleep until there may be records; may return early."""

    def wake(self) -> None: ...
    def readers(self) -> list[Any]:
        """What logflume.aio waits for, see its Sleeper."""

    @property
    def is_joining(self) -> bool:
        """True as long as it may have no records because the group has not let it in yet: a poll goes on then."""

    def check_renew(self) -> None:
        """Raises UnsupportedByEngine where locks cannot begin anew."""

    def close(self) -> None:
        """Leave the group; records that were not answered are there for others at once."""

    def abandon(self) -> None:
        """In a forked child: the parent stays the member."""
