"""Copies of topics from one place to another: directory, cluster, object store.

What lives here: mirror (copy, go on where a copy ended, follow), promote (hand a directory's topics and groups over
to a Kafka), compare. Enters: two open Logs. Leaves: the same records at the same offsets, reports. It does not know
how either side stores them.
"""

from logflume.bridge.archive import Archive, fill, is_store_address, open_archive, restore
from logflume.bridge.compare import compare
from logflume.bridge.groups import copy_groups
from logflume.bridge.mirror import mirror
from logflume.bridge.offset_map import OffsetMap
from logflume.bridge.promote import PromoteReport, promote
from logflume.bridge.report import MirrorReport

__all__ = [
    "Archive",
    "MirrorReport",
    "OffsetMap",
    "PromoteReport",
    "compare",
    "copy_groups",
    "fill",
    "is_store_address",
    "mirror",
    "open_archive",
    "promote",
    "restore",
]
