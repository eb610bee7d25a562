"""Channel selectors: which channels get which events of a source.

One file a selector. A batch enters; for each channel the part of it that goes there leaves.
"""

from logflume.agent.selectors.load_balancing import LoadBalancing
from logflume.agent.selectors.multiplexing import Multiplexing
from logflume.agent.selectors.replicating import Replicating
from logflume.agent.selectors.selector import Route, Selector

__all__ = ["LoadBalancing", "Multiplexing", "Replicating", "Route", "Selector"]
