"""Options of a directory as a whole: what Kafka keeps in server.properties."""

from __future__ import annotations

from logflume.config.kinds import INT_MAX, LONG_MAX, Bool, Duration, Int, Size
from logflume.config.option import Config, option

__all__ = ["DirectoryConfig"]

_PER_TOPIC = "is set for each topic, without the prefix log."
_NO_EXPIRY = "Committed offsets stay until their group is deleted."


class DirectoryConfig(Config, table="directory"):
    """Defaults for new topics, the internal topic of offsets, limits, locks."""

    allow_network_filesystem: bool = option(
        False,
        Bool(),
        doc="Open a directory on a network file system, where locks and maps keep no promises and"
        " a crash may lose or tear what was acknowledged.",
        origin="logflume",
    )
    auto_create_topics_enable: bool = option(
        False,
        Bool(),
        doc="Create a topic when a record is first sent to it. Kafka's default is true.",
        refused="topics are created by create_topic",
    )
    group_share_delivery_count_limit: int = option(
        5,
        Int(min=2, max=10),
        doc="How many times a record is delivered to a share group before it is archived unanswered.",
    )
    group_share_partition_max_record_locks: int = option(
        2000,
        Int(min=100, max=10_000),
        doc="Most records of a partition that are delivered to a share group, or wait to be delivered again, at once.",
    )
    group_share_record_lock_duration_ms: int = option(
        30_000,
        Duration(min=1000, max=3_600_000),
        doc="How long a delivered record may stay unanswered before it is delivered again.",
    )
    lock_timeout_ms: int = option(
        10_000,
        Duration(max=INT_MAX),
        doc="How long to wait for a lock that another process holds: a partition's, or for changing topics.",
        origin="logflume",
    )
    log_cleaner_dedupe_buffer_size: int = option(
        128 << 20,
        Size(min=1024, max=LONG_MAX),
        doc="Memory of compaction's key map, 32 bytes a key. A smaller one takes more passes.",
    )
    log_retention_check_interval_ms: int = option(
        300_000,
        Duration(min=1),
        doc="Time between two looks for segments to delete.",
        no_effect="Nothing is deleted behind your back: log.maintenance() looks when it is called.",
    )
    max_decompressed_bytes: int = option(
        256 << 20,
        Size(min=1024, max=LONG_MAX),
        doc="Cap on what one batch may unpack to, else DecompressionTooLarge.",
        origin="logflume",
    )
    num_partitions: int = option(
        1, Int(min=1), doc="Partitions of a topic that is created without saying how many."
    )
    offset_metadata_max_bytes: int = option(
        4096, Size(), doc="Longest note that a commit may carry with an offset."
    )
    offsets_retention_minutes: int = option(
        10_080,
        Int(min=1),
        doc="Time after which offsets of an empty group are forgotten.",
        no_effect=_NO_EXPIRY,
    )
    offsets_topic_num_partitions: int = option(
        4,
        Int(min=1, max=1024),
        doc="Partitions of the internal topic of committed offsets, when it is made."
        " Kafka's default is 50.",
    )
    offsets_topic_segment_bytes: int = option(
        104_857_600, Size(min=1024), doc="Segment size of the internal topic of committed offsets."
    )
    producer_id_expiration_ms: int = option(
        86_400_000,
        Duration(min=1, max=INT_MAX),
        doc="Time after which a partition forgets an idempotent producer that sends nothing and has no transaction"
        " open. Its next batch may begin anywhere, and one that it sends again is written again.",
    )
    share_coordinator_snapshot_update_records_per_snapshot: int = option(
        500,
        Int(min=0, max=500),
        doc="After how many changes the state of a share group in a partition is written whole again.",
    )
    share_coordinator_state_topic_num_partitions: int = option(
        4,
        Int(min=1, max=1024),
        doc="Partitions of the internal topic of share groups' state, when it is made. Kafka's default is 50.",
    )
    share_coordinator_state_topic_segment_bytes: int = option(
        16 << 20,
        Size(min=1024),
        doc="Segment size of the internal topic of share groups' state. Kafka's default is 100 MiB.",
    )
    transaction_max_timeout_ms: int = option(
        900_000,
        Duration(min=1, max=INT_MAX),
        doc="Largest transaction.timeout.ms that a producer may ask for, else InvalidTransactionTimeout.",
    )
    transaction_redo_max_bytes: int = option(
        4 << 20,
        Size(min=0, max=64 << 20),
        doc="Batches of a transaction that its commit may carry to the disk itself, so that it costs one sync."
        " The partitions of a larger transaction are synced one by one.",
        origin="logflume",
    )
    transaction_state_log_num_partitions: int = option(
        1,
        Int(min=1, max=1024),
        doc="Partitions of the internal topic of transactions, when it is made. Kafka's default is 50.",
    )
    transaction_state_log_segment_bytes: int = option(
        64 << 20,
        Size(min=1 << 20, max=INT_MAX),
        doc="Size of the internal topic of transactions at which it is written anew without what is past."
        " Kafka's default is 100 MiB.",
    )
    transactional_id_expiration_ms: int = option(
        7 * 86_400_000,
        Duration(min=1),
        doc="Time after which a transactional id that nobody uses is forgotten.",
    )

    foreign = {
        "log.dir": "the directory is logflume.open's argument",
        "log.dirs": "the directory is logflume.open's argument",
        **{
            f"log.{name}": _PER_TOPIC
            for name in (
                "cleanup.policy",
                "index.interval.bytes",
                "index.size.max.bytes",
                "message.timestamp.type",
                "retention.bytes",
                "retention.ms",
                "segment.bytes",
            )
        },
        "log.cleaner.delete.retention.ms": "is set for each topic, as delete.retention.ms",
        "log.cleaner.max.compaction.lag.ms": "is set for each topic, as max.compaction.lag.ms",
        "log.cleaner.min.cleanable.ratio": "is set for each topic, as min.cleanable.dirty.ratio",
        "log.cleaner.min.compaction.lag.ms": "is set for each topic, as min.compaction.lag.ms",
        "log.retention.hours": "is set for each topic, as retention.ms",
        "log.retention.minutes": "is set for each topic, as retention.ms",
        "log.roll.hours": "is set for each topic, as segment.ms",
        "log.roll.ms": "is set for each topic, as segment.ms",
        "message.max.bytes": "is set for each topic, as max.message.bytes",
    }
