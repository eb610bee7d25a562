"""Reading: one consumer alone, or one of a group.

What lives here: assignment and positions, polling and iterating, commits, group membership as its user sees
it. Enters: topics, offsets, options. Leaves: records and batches. It does not know how membership works.
"""

from logflume.client.consumer.consumer import Consumer

__all__ = ["Consumer"]
