"""From a topic's options and Kafka's checkpoint files to what a native partition is opened with."""

from __future__ import annotations

import os

from logflume.log import layout
from logflume.log.checkpoints import read_epochs, read_offsets
from logflume.log.held_file import read_held_table
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.config import DirectoryConfig
    from logflume.config.topic import TopicConfig
    from logflume.log.topic_store import TopicEntry

__all__ = ["codec_of", "of_directory", "opening", "running"]

_CODECS = {"producer": 0, "uncompressed": 0, "none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_NO_LEVEL = -(1 << 31)
_OFFSET_MAX = (1 << 63) - 1


def codec_of(name: str, config: Any) -> tuple[int, int]:
    """(codec number, level) for a codec's name; the level comes from the config's `compression.*.level`."""
    level = getattr(config, f"compression_{name}_level", _NO_LEVEL)
    # -1 is Kafka's "the library's own" for gzip.
    return _CODECS[name], _NO_LEVEL if level == -1 and name == "gzip" else level


def running(entry: TopicEntry, *, compacted: bool = False) -> dict[str, Any]:
    """Settings that may change while the partition is open. `compacted`: it was, whatever its policy is now."""
    config: TopicConfig = entry.config
    compacts = "compact" in config.cleanup_policy
    codec, level = codec_of(config.compression_type, config)
    return {
        "segment_bytes": config.segment_bytes,
        # As Kafka: what is to be compacted in time must not lie in the active segment for longer.
        "segment_ms": min(config.segment_ms, config.max_compaction_lag_ms)
        if compacts
        else config.segment_ms,
        "index_interval_bytes": config.index_interval_bytes,
        "segment_index_bytes": config.segment_index_bytes,
        "max_message_bytes": config.max_message_bytes,
        "append_time": config.message_timestamp_type == "LogAppendTime",
        # A compacted log, or one that came from a Kafka which may have compacted it, has gaps.
        "allow_gaps": entry.foreign or entry.topic_id is None or compacts or compacted,
        "compression": codec,
        "level": level,
        # As Kafka, which would drop them at the next compaction.
        "keys_required": compacts,
    }


def of_directory(config: DirectoryConfig) -> dict[str, Any]:
    """What all partitions of a directory are opened with."""
    return {
        "max_decompressed_bytes": config.max_decompressed_bytes,
        "lock_timeout": config.lock_timeout_ms / 1000,
        "producer_expiration_ms": config.producer_id_expiration_ms,
    }


def opening(directory: str, path: str, topic: str, number: int) -> dict[str, Any]:
    """What Kafka's files say of a partition that is opened: where its log starts, and what is on disk for sure."""
    where = TopicPartition(topic, number)
    if os.path.exists(os.path.join(directory, layout.CLEAN_SHUTDOWN_FILE)):
        recovery = _OFFSET_MAX
    else:
        recovery = read_offsets(os.path.join(directory, layout.RECOVERY_POINT_FILE)).get(where, 0)
    epochs = read_epochs(os.path.join(path, layout.LEADER_EPOCH_FILE))
    return {
        "recovery_offset": recovery,
        "start_offset": read_offsets(os.path.join(directory, layout.LOG_START_FILE)).get(where, -1),
        # Appended batches carry the last epoch there was: epochs may not go backwards.
        "leader_epoch": epochs[-1].epoch if epochs else 0,
        "held_table": read_held_table(directory),
    }
