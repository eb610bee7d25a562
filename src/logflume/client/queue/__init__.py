"""Working off records one by one, several workers on the same partition: queues (share groups, KIP-932).

What lives here: Queue as its user sees it, for both engines; the answers that it collects; the member of a share group
on a directory. Enters: topics, a group, answers. Leaves: records with the number of times they were delivered.
It does not know how the workers of a group share a partition: `coordinator/share` does.
"""

from logflume.client.queue.queue import Queue

__all__ = ["Queue"]
