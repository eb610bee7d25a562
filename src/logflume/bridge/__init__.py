"""Copies of topics from one log to another: directory or cluster, in any combination.

What lives here: mirror (copy, go on where a copy ended, follow), promote (hand a directory's topics and groups over
to a Kafka), compare. Enters: two open Logs. Leaves: the same records at the same offsets, reports. It does not know
how either side stores them.
"""

from logflume.bridge.compare import compare
from logflume.bridge.groups import copy_groups
from logflume.bridge.mirror import MirrorReport, mirror
from logflume.bridge.promote import PromoteReport, promote

__all__ = ["MirrorReport", "PromoteReport", "compare", "copy_groups", "mirror", "promote"]
