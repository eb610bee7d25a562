"""What a client may do, as the bits that Metadata and its kin tell: everything, as long as there are no ACLs."""

from __future__ import annotations

__all__ = ["CLUSTER_OPERATIONS", "NO_OPERATIONS", "TOPIC_OPERATIONS"]

NO_OPERATIONS = -(1 << 31)
"""They were not asked for."""
# Bits by the number of Kafka's AclOperation: read 3, write 4, create 5, delete 6, alter 7, describe 8,
# cluster action 9, describe configs 10, alter configs 11, idempotent write 12.
TOPIC_OPERATIONS = sum(1 << bit for bit in (3, 4, 5, 6, 7, 8, 10, 11))
CLUSTER_OPERATIONS = sum(1 << bit for bit in (5, 7, 8, 9, 10, 11, 12))
