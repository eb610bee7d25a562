"""Names of files and directories, as Kafka names them: made and read here, nowhere else.

Every directory at the top level must be a partition's, or Kafka refuses to start on it;
files of our own are fine anywhere.
"""

from __future__ import annotations

from logflume.config.names import check_topic
from logflume.errors import InvalidTopicName
from logflume.types import NamedTuple

__all__ = [
    "CLEANED_SUFFIX",
    "CLEANER_OFFSETS_FILE",
    "CLEAN_SHUTDOWN_FILE",
    "CLUSTER_METADATA_TOPIC",
    "DELETED_SUFFIX",
    "GROUP_CONFIGS_FILE",
    "HELD_FILE",
    "INDEX_SUFFIX",
    "LEADER_EPOCH_FILE",
    "LOCK_FILE",
    "LOG_START_FILE",
    "LOG_SUFFIX",
    "META_FILE",
    "PARTITION_METADATA_FILE",
    "PRESENCE_FILE",
    "PRODUCER_IDS_FILE",
    "PRODUCER_IDS_USED_FILE",
    "RECOVERY_POINT_FILE",
    "REDO_FILE",
    "SECURITY_FILE",
    "SNAPSHOT_SUFFIX",
    "LOW_TIMES_FILE",
    "STATE_FILE",
    "SWAP_SUFFIX",
    "TABLE_FILE",
    "TIME_INDEX_SUFFIX",
    "TOPICS_FILE",
    "TRANSACTIONS_PAGE_FILE",
    "TXN_INDEX_SUFFIX",
    "PartitionDirectory",
    "SegmentFile",
    "deleted_directory_name",
    "parse_partition_directory",
    "parse_segment_file",
    "partition_directory_name",
    "safe_file_name",
    "segment_file_name",
]

# At the top level
CLUSTER_METADATA_TOPIC = "__cluster_metadata"
"""Not a topic: the log of Kafka's controller, which nobody else writes to."""
LOCK_FILE = ".lock"
CLEAN_SHUTDOWN_FILE = ".kafka_cleanshutdown"
META_FILE = "meta.properties"
RECOVERY_POINT_FILE = "recovery-point-offset-checkpoint"
CLEANER_OFFSETS_FILE = "cleaner-offset-checkpoint"
LOG_START_FILE = "log-start-offset-checkpoint"
TOPICS_FILE = "logflume-topics.json"
GROUP_CONFIGS_FILE = "logflume-groups.json"
SECURITY_FILE = "logflume-security.json"
PRODUCER_IDS_FILE = "logflume-producer-ids"
PRODUCER_IDS_USED_FILE = "logflume-producer-ids-used"
PRESENCE_FILE = "logflume-transactions.lock"
TRANSACTIONS_PAGE_FILE = "logflume-transactions.state"
HELD_FILE = "logflume-transactions.held"

# In a partition's directory
PARTITION_METADATA_FILE = "partition.metadata"
LEADER_EPOCH_FILE = "leader-epoch-checkpoint"
STATE_FILE = "logflume.state"
LOW_TIMES_FILE = "logflume.lowtimes"
TABLE_FILE = "logflume.table"
REDO_FILE = "logflume.redo"

LOG_SUFFIX = ".log"
INDEX_SUFFIX = ".index"
TIME_INDEX_SUFFIX = ".timeindex"
TXN_INDEX_SUFFIX = ".txnindex"
SNAPSHOT_SUFFIX = ".snapshot"
_SUFFIXES = (LOG_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, SNAPSHOT_SUFFIX)

DELETED_SUFFIX = ".deleted"
CLEANED_SUFFIX = ".cleaned"
SWAP_SUFFIX = ".swap"
_MARKS = (DELETED_SUFFIX, CLEANED_SUFFIX, SWAP_SUFFIX)

_OFFSET_DIGITS = 20
_OFFSET_MAX = (1 << 63) - 1
_NAME_BYTES_MAX = 255
_DIRECTORY_MARKS = ("delete", "future", "stray")


class SegmentFile(NamedTuple):
    """A segment file's name in parts; `mark` is empty, or says that Kafka is not done with it."""

    base_offset: int
    suffix: str
    mark: str = ""


class PartitionDirectory(NamedTuple):
    """A partition directory's name in parts; `mark` is empty, "delete", "future" or "stray"."""

    topic: str
    partition: int
    mark: str = ""


def segment_file_name(base_offset: int, suffix: str = LOG_SUFFIX) -> str:
    """The name of a segment's file: its base offset in 20 digits, and what it is."""
    if not 0 <= base_offset <= _OFFSET_MAX:
        raise ValueError(f"base offset {base_offset} is no 63-bit number")
    return f"{base_offset:0{_OFFSET_DIGITS}d}{suffix}"


def parse_segment_file(name: str) -> SegmentFile | None:
    """The parts of a segment file's name; None when it is no such name."""
    mark = next((m for m in _MARKS if name.endswith(m)), "")
    stem, dot, kind = name.removesuffix(mark).partition(".")
    if dot + kind not in _SUFFIXES or len(stem) != _OFFSET_DIGITS or not _is_number(stem):
        return None
    base_offset = int(stem)
    return SegmentFile(base_offset, dot + kind, mark) if base_offset <= _OFFSET_MAX else None


def partition_directory_name(topic: str, partition: int) -> str:
    """The name of a partition's directory; InvalidTopicName for a name that Kafka refuses."""
    if partition < 0:
        raise ValueError(f"partition {partition} is negative")
    return f"{check_topic(topic)}-{partition}"


def deleted_directory_name(topic: str, partition: int, unique: str) -> str:
    """The name of a partition's directory once it is to be deleted.

    `unique` is a hexadecimal number that no earlier deletion used. As in Kafka a long
    topic's name is cut, so that the whole stays a file name.
    """
    if not unique.isalnum():
        raise ValueError(f"{unique!r} is no hexadecimal number")
    tail = f"-{partition}.{unique}-delete"
    return check_topic(topic)[: _NAME_BYTES_MAX - len(tail)] + tail


def parse_partition_directory(name: str) -> PartitionDirectory | None:
    """The parts of a partition directory's name; None when it is no such name.

    The rules are Kafka's (a mark comes after the last dot: "t-0.<unique>-delete"), except
    that a partition's number must be written as we would write it: with "t-0" and "t-00"
    both allowed, one partition could have two directories.
    """
    mark = next((m for m in _DIRECTORY_MARKS if name.endswith(f"-{m}")), "")
    if mark and "." in name:
        stem, _, unique = name.rpartition(".")
        if unique == f"-{mark}":
            return None
    elif mark:
        return None  # Kafka takes "t-delete" for a broken name too, not for a topic "t"
    else:
        stem = name
    topic, _, number = stem.rpartition("-")
    if not _is_number(number) or number != str(int(number)) or len(number) > 10:
        return None
    try:
        check_topic(topic)
    except InvalidTopicName:
        return None
    return PartitionDirectory(topic, int(number), mark)


def safe_file_name(text: str, *, length_max: int = 200) -> str:
    """A file name that stands for any text, such as a group's name: no path, readable, one to one.

    Bytes other than ASCII letters, digits, "-", "_" and inner dots are written as %XX. A name
    longer than `length_max` is cut and closed with a hash of the whole text.
    """
    encoded = text.encode("utf-8", "surrogatepass")
    parts = [chr(byte) if chr(byte) in _PLAIN else f"%{byte:02X}" for byte in encoded]
    if parts[:1] == ["."]:
        parts[0] = "%2E"  # no hidden files, no "." and ".."
    name = "".join(parts)
    if len(name) <= length_max:
        return name
    import hashlib

    # "~" stands in no uncut name, so a cut one can equal none of them.
    return f"{name[: length_max - 33]}~{hashlib.sha256(encoded).hexdigest()[:32]}"


_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
