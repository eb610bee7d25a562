"""Options of a topic, named as Kafka names them."""

from __future__ import annotations

from logflume.config.compression import GZIP_LEVEL, LZ4_LEVEL, TOPIC_CODEC, ZSTD_LEVEL
from logflume.config.kinds import (
    LONG_MAX,
    Bool,
    Choice,
    Choices,
    Duration,
    Float,
    Int,
    Size,
    Text,
)
from logflume.config.option import Config, option
from logflume.errors import InvalidConfig

__all__ = ["TopicConfig"]

_ONE_COPY = (
    "A directory holds one copy of each partition; kept for when the topic moves to a Kafka."
)
_NO_TIERS = "Tiered storage is not built."
_OWN_SYNC = "What reaches the disk when is decided by `acks` and `sync()`, not by counting."


class TopicConfig(Config, table="topic"):
    """How a topic is stored: rolling, retention, sizes, stamps, compression."""

    cleanup_policy: tuple[str, ...] = option(
        ("delete",),
        Choices("delete", "compact"),
        doc="What happens to old records: `delete` by retention, `compact` to the last of each key."
        " Both happen in `maintenance()`, never by themselves.",
    )
    compression_type: str = option(
        "producer",
        TOPIC_CODEC,
        doc="Codec of stored batches; `producer` keeps the producer's, `uncompressed` unpacks.",
    )
    compression_gzip_level: int = option(
        -1, GZIP_LEVEL, doc="Level when the topic compresses with gzip."
    )
    compression_lz4_level: int = option(
        9, LZ4_LEVEL, doc="Level when the topic compresses with lz4."
    )
    compression_zstd_level: int = option(
        3, ZSTD_LEVEL, doc="Level when the topic compresses with zstd."
    )
    delete_retention_ms: int = option(
        86_400_000,
        Duration(),
        doc="How long a tombstone stays once compaction has met it, so that readers who are behind see it.",
    )
    file_delete_delay_ms: int = option(
        60_000,
        Duration(),
        doc="How long a deleted segment's file stays.",
        no_effect="Files go at once: a reader's mapping stays valid until the reader lets go of it.",
    )
    flush_messages: int = option(
        LONG_MAX,
        Int(min=1, max=LONG_MAX),
        doc="Sync to disk after this many records.",
        no_effect=_OWN_SYNC,
    )
    flush_ms: int = option(
        LONG_MAX, Duration(), doc="Sync to disk after this time.", no_effect=_OWN_SYNC
    )
    follower_replication_throttled_replicas: str | None = option(
        None, Text(), doc="Followers whose replication is throttled.", no_effect=_ONE_COPY
    )
    index_interval_bytes: int = option(
        4096, Size(), doc="Bytes of records between two entries of the offset index."
    )
    leader_replication_throttled_replicas: str | None = option(
        None, Text(), doc="Leaders whose replication is throttled.", no_effect=_ONE_COPY
    )
    local_retention_bytes: int = option(
        -2,
        Size(min=-2, max=LONG_MAX),
        doc="Local size limit of a tiered topic.",
        no_effect=_NO_TIERS,
    )
    local_retention_ms: int = option(
        -2, Duration(min=-2), doc="Local time limit of a tiered topic.", no_effect=_NO_TIERS
    )
    max_compaction_lag_ms: int = option(
        LONG_MAX,
        Duration(min=1),
        doc="Age of a record from which its log is compacted, however little of it is dirty."
        " It also is an upper bound of `segment.ms`.",
    )
    max_message_bytes: int = option(
        1_048_588,
        Size(),
        doc="Largest record batch, as stored (compressed). A bigger one is refused with RecordTooLarge.",
    )
    message_timestamp_after_max_ms: int = option(
        3_600_000,
        Duration(),
        doc="How far a record's create time may lie ahead of the clock, else InvalidTimestamp.",
    )
    message_timestamp_before_max_ms: int = option(
        LONG_MAX,
        Duration(),
        doc="How far a record's create time may lie behind the clock, else InvalidTimestamp.",
    )
    message_timestamp_type: str = option(
        "CreateTime",
        Choice("CreateTime", "LogAppendTime"),
        doc="Whose time a record carries: its maker's, or that of the append.",
    )
    min_cleanable_dirty_ratio: float = option(
        0.5,
        Float(min=0, max=1),
        doc="Share of uncompacted bytes above which a log is compacted.",
    )
    min_compaction_lag_ms: int = option(
        0, Duration(), doc="Age below which a record, and all behind it, stays as it is."
    )
    min_insync_replicas: int = option(
        1, Int(min=1), doc="Copies that `acks=all` waits for.", no_effect=_ONE_COPY
    )
    preallocate: bool = option(
        False,
        Bool(),
        doc="Reserve a segment's whole size when it is made.",
        no_effect="The log decides itself how far ahead it reserves space.",
    )
    remote_log_copy_disable: bool = option(
        False, Bool(), doc="Stop copying to the remote tier.", no_effect=_NO_TIERS
    )
    remote_log_delete_on_disable: bool = option(
        False, Bool(), doc="Delete the remote tier when it is switched off.", no_effect=_NO_TIERS
    )
    remote_storage_enable: bool = option(
        False,
        Bool(),
        doc="Keep old segments in a remote tier.",
        refused="tiered storage is not built",
    )
    retention_bytes: int = option(
        -1,
        Size(min=-1, max=LONG_MAX),
        doc="Size of a partition over which its oldest segments are deleted; -1 for no limit.",
    )
    retention_ms: int = option(
        604_800_000,
        Duration(min=-1),
        doc="Age over which segments are deleted, by their latest timestamp; -1 for no limit.",
    )
    segment_bytes: int = option(
        1 << 30,
        Size(min=1024),
        doc="Size at which a segment is rolled. Kafka 4 itself wants at least 1 MiB.",
    )
    segment_index_bytes: int = option(
        10 << 20,
        Size(min=4),
        doc="Size of the offset index at which a segment is rolled.",
    )
    segment_jitter_ms: int = option(
        0,
        Duration(),
        doc="Random time by which a roll comes earlier, so that not all partitions roll at once.",
        no_effect="Rolls happen in the append that needs them; there is no common moment to spread.",
    )
    segment_ms: int = option(
        604_800_000,
        Duration(min=1),
        doc="Age at which a segment is rolled even if it is small.",
    )
    unclean_leader_election_enable: bool = option(
        False,
        Bool(),
        doc="Let a replica lead that misses records.",
        no_effect=_ONE_COPY,
    )

    foreign = {
        "message.format.version": "gone since Kafka 4: record batches have format 2",
        "message.downconversion.enable": "gone since Kafka 4: there is nothing to convert to",
        "message.timestamp.difference.max.ms": "gone since Kafka 4:"
        " use message.timestamp.before.max.ms and message.timestamp.after.max.ms",
    }

    def check(self) -> None:
        """Kafka's own rule on the two compaction lags."""
        if self.min_compaction_lag_ms > self.max_compaction_lag_ms:
            raise InvalidConfig(
                name="min.compaction.lag.ms",
                value=self.min_compaction_lag_ms,
                reason=f"is more than max.compaction.lag.ms ({self.max_compaction_lag_ms})",
            )
