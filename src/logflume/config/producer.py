"""Options of a producer, named as Kafka names them."""

from __future__ import annotations

from logflume.config.compression import GZIP_LEVEL, LZ4_LEVEL, PRODUCER_CODEC, ZSTD_LEVEL
from logflume.config.foreign import CLIENT
from logflume.config.kinds import INT_MAX, LONG_MAX, Acks, Bool, Choice, Duration, Int, Size, Text
from logflume.config.names import check_transactional_id
from logflume.config.option import Config, option
from logflume.errors import InvalidConfig

__all__ = ["ProducerConfig"]

_NO_RETRY = "An append to a directory happens once or fails at once; nothing is sent again."
_IN_FLIGHT_MAX = 5  # batches that a partition remembers of each producer
_NO_TWO_PHASE = "a transaction here ends with its `with` block, in one step"


class ProducerConfig(Config, table="producer"):
    """How records are gathered into batches, where they go, when they count as sent."""

    acks: int = option(
        -1,
        Acks(),
        doc="When a record counts as sent: `0` in the open batch, `1` published to readers and safe"
        " from kill -9, `all` on disk.",
    )
    batch_size: int = option(
        65_536,
        Size(min=1),
        doc="Bytes of records at which a batch is closed. Kafka's default is 16384.",
    )
    buffer_memory: int = option(
        33_554_432,
        Size(min=1, max=LONG_MAX),
        doc="Bytes of records waiting for their batch.",
        no_effect="A full batch is written by the send that fills it, so that what waits is bounded"
        " by batch.size for each partition.",
    )
    client_id: str | None = option(None, Text(), doc="A name for logs and messages.")
    compression_type: str = option("none", PRODUCER_CODEC, doc="Codec of batches.")
    compression_gzip_level: int = option(-1, GZIP_LEVEL, doc="Level for gzip.")
    compression_lz4_level: int = option(9, LZ4_LEVEL, doc="Level for lz4.")
    compression_zstd_level: int = option(3, ZSTD_LEVEL, doc="Level for zstd.")
    delivery_timeout_ms: int = option(
        120_000,
        Duration(max=INT_MAX),
        doc="Time in which a record is sent or fails.",
        no_effect="An append fails at once or not at all; `result(timeout)` bounds the caller's wait.",
    )
    enable_idempotence: bool = option(
        True,
        Bool(),
        doc="Mark batches with a producer id and a sequence number, so that none is written twice, none is"
        " missing in between, and none comes out of order. Needs acks=all; with another acks it is off unless"
        " asked for, which is an error.",
    )
    linger_ms: int = option(
        5,
        Duration(max=INT_MAX),
        doc="How long an open batch waits for more records; a waiting reader or flush ends it early.",
    )
    max_block_ms: int = option(
        60_000,
        Duration(),
        doc="How long a send may block.",
        no_effect="There is no buffer to wait for; the partition's lock has the directory's lock.timeout.ms.",
    )
    max_in_flight_requests_per_connection: int = option(
        5, Int(min=1), doc="Batches under way at once.", no_effect=_NO_RETRY
    )
    max_request_size: int = option(
        1_048_576,
        Size(),
        doc="Largest record that a send takes, uncompressed, else RecordTooLarge.",
    )
    partitioner: str = option(
        "murmur2",
        Choice("murmur2", "xxh3", "round_robin", "sticky"),
        doc="Partition of a record sent without one. `murmur2` (Kafka's) and `xxh3` hash the key, and"
        " records without key stay on one partition for a batch; `sticky` does that for all records,"
        " `round_robin` changes with each record.",
        origin="logflume",
    )
    partitioner_adaptive_partitioning_enable: bool = option(
        True,
        Bool(),
        doc="Prefer fast brokers for records without key.",
        no_effect="All partitions are on one disk.",
    )
    partitioner_availability_timeout_ms: int = option(
        0,
        Duration(),
        doc="Time after which a slow broker's partitions are left out.",
        no_effect="All partitions are on one disk.",
    )
    partitioner_ignore_keys: bool = option(
        False,
        Bool(),
        doc="Let keys play no part in partitioning.",
        refused="set partitioner to sticky or round_robin instead",
    )
    request_timeout_ms: int = option(
        30_000,
        Duration(max=INT_MAX),
        doc="Time for one request.",
        no_effect="There are no requests; delivery.timeout.ms bounds a send.",
    )
    retries: int = option(
        INT_MAX, Int(), doc="How often a send is tried again.", no_effect=_NO_RETRY
    )
    retry_backoff_max_ms: int = option(
        1000, Duration(), doc="Longest time between two tries.", no_effect=_NO_RETRY
    )
    retry_backoff_ms: int = option(
        100, Duration(), doc="Time before the second try.", no_effect=_NO_RETRY
    )
    transaction_timeout_ms: int = option(
        60_000,
        Duration(min=1, max=INT_MAX),
        doc="Longest time a transaction stays open: later its commit is refused, and anybody may abort it.",
    )
    transaction_two_phase_commit_enable: bool = option(
        False, Bool(), doc="Let an outer transaction decide.", refused=_NO_TWO_PHASE
    )
    transactional_id: str | None = option(
        None,
        Text(),
        doc="Name under which this producer's transactions go on after a restart; a new producer of the same"
        " name fences the one before.",
    )

    foreign = CLIENT

    @property
    def idempotent(self) -> bool:
        """Whether batches carry a producer id: Kafka's rule, on by default and off where acks forbids it."""
        return self.enable_idempotence and self.acks == -1

    def check(self) -> None:
        """What Kafka's producer checks too: idempotence, when asked for, needs acks=all."""
        given = self.explicit()
        if given.get("enable.idempotence") and self.acks != -1:
            raise InvalidConfig(
                name="acks", value=self.acks, reason="must be all when enable.idempotence is true"
            )
        if (
            given.get("enable.idempotence")
            and self.max_in_flight_requests_per_connection > _IN_FLIGHT_MAX
        ):
            raise InvalidConfig(
                name="max.in.flight.requests.per.connection",
                value=self.max_in_flight_requests_per_connection,
                reason=f"is at most {_IN_FLIGHT_MAX} when enable.idempotence is true",
            )
        if self.transactional_id is not None:
            check_transactional_id(self.transactional_id)
            if not self.idempotent:
                wrong = "acks" if self.acks != -1 else "enable.idempotence"
                raise InvalidConfig(
                    name=wrong,
                    value=given[wrong],
                    reason="a producer with a transactional.id is idempotent, with acks=all",
                )
        if "delivery.timeout.ms" in given and self.delivery_timeout_ms < self.linger_ms:
            raise InvalidConfig(
                name="delivery.timeout.ms",
                value=self.delivery_timeout_ms,
                reason=f"is less than linger.ms ({self.linger_ms})",
            )
