"""A directory of partitions on disk, in Kafka's own layout.

What lives here: partitions and their segments, rolling, retention, recovery, locks, and the
small files beside the records (checkpoints, meta.properties, partition.metadata).
Enters: batches as bytes, parsed options. Leaves: views of records, offsets, typed errors
with path and position.
It does not know: sockets, protocol messages, groups, nor what records mean.
"""
