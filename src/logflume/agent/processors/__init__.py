"""Sink processors: which sink of a group gets a batch.

One file a processor. A batch enters and is written by one sink of the group, or the reason why none could leaves.
"""

from logflume.agent.processors.default import Default
from logflume.agent.processors.failover import Failover
from logflume.agent.processors.load_balance import LoadBalance
from logflume.agent.processors.processor import Processor

__all__ = ["Default", "Failover", "LoadBalance", "Processor"]
