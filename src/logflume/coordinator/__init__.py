"""Consumer groups of embedded consumers: who reads what, and how far each group got.

Subscriptions, paths, partition counts and the time enter; assignments, changes of them and
committed offsets leave. The state is two things on disk: a `.group` file per group, whose kernel
locks say who lives and who owns what, and records in `__consumer_offsets`, in Kafka's schema.
Knows no sockets, no clock of its own, no consumer: callbacks and commits are the caller's.
"""

from __future__ import annotations
