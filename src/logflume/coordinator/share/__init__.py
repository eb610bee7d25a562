"""Share groups (KIP-932): records of a partition worked off one by one by the members of a group.

What lives here: `window.py`, the state machine of one partition's records in flight; `working_table.py`, the same as
the members of several processes share it, in a file under a lock; `state_log.py`, what of it is durable, in
`__share_group_state` in Kafka's schema; `share_partition.py`, the steps that join the three; `share_holder.py`, one
living holder of records; `share_groups.py`, all groups for those who hold nothing; `group_record.py`, what
`__consumer_offsets` has of them. Enters: offsets, answers, the time, a function that reads. Leaves: ranges that a
member holds. It does not know: sockets, clients' sessions, what a record says.
"""

from .settings import ShareSettings
from .share_groups import ShareGroups, SharingMember
from .share_holder import ShareHolder
from .share_partition import SharePartition, SharePartitionInfo
from .states import AcknowledgeType, Acquired, Answer, RecordState

__all__ = [
    "AcknowledgeType",
    "Acquired",
    "Answer",
    "RecordState",
    "ShareGroups",
    "ShareHolder",
    "SharePartition",
    "SharePartitionInfo",
    "ShareSettings",
    "SharingMember",
]
