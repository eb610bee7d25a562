"""Kafka as Flume's configurations name it, over `logflume.open`: what its source, channel and sink share.

Enters: Java clients' properties, batches of events, RecordBatches. Leaves: an address and options of ours or
librdkafka's; records with keys and partitions; events with Flume's headers.
It does not know: how a cluster is talked to (client/cluster does), channels, threads.
"""
