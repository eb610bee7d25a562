"""Options of a queue, named as Kafka names those of share consumers and share groups (KIP-932)."""

from __future__ import annotations

from logflume.config.foreign import CLIENT
from logflume.config.kinds import Bool, Choice, Duration, Int, OffsetReset, Text
from logflume.config.option import Config, option
from logflume.errors import InvalidConfig

__all__ = ["QueueConfig"]


class QueueConfig(Config, table="queue"):
    """Which group, how much at once, where a new group begins, how long records are locked."""

    check_crcs: bool = option(
        True, Bool(), doc="Check each batch's checksum, once for each batch and process."
    )
    client_id: str | None = option(
        None, Text(), doc="A name for logs and descriptions of the group."
    )
    group_id: str = option(
        None, Text(), doc="The share group; there is no queue without one.", also=("group",)
    )
    max_poll_records: int = option(500, Int(min=1), doc="Most records that one poll returns.")
    share_acknowledgement_mode: str = option(
        "implicit",
        Choice("implicit", "explicit"),
        doc="What happens to records that were not answered when the next poll or commit comes: they are accepted,"
        " or (`explicit`) the poll is refused.",
        also=("acknowledgement",),
    )
    share_auto_offset_reset: str | None = option(
        None,
        OffsetReset(),
        doc="Where the group begins with a partition that it never read; default: the group's own setting, which is"
        " `latest` where nobody set it.",
    )
    share_isolation_level: str | None = option(
        None,
        Choice("read_uncommitted", "read_committed"),
        doc="Whether records of open and aborted transactions are delivered; default: the group's own setting, which"
        " is `read_uncommitted` where nobody set it.",
    )
    share_record_lock_duration_ms: int | None = option(
        None,
        Duration(min=1000, max=3_600_000),
        doc="How long a delivered record may stay unanswered before it is delivered again; default: the group's"
        " own setting, or the directory's group.share.record.lock.duration.ms.",
    )

    foreign = CLIENT

    def check(self) -> None:
        """There is no queue without a group, and none that refuses to begin."""
        if self.share_auto_offset_reset == "none":
            raise InvalidConfig(
                name="share.auto.offset.reset",
                value="none",
                reason="must be one of earliest, latest, by_duration:PnDTnHnMn.nS",
            )
