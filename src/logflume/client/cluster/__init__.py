"""The engine of a Kafka cluster, behind the same names as the directory's: `logflume.open("kafka://host:9092")`.

What lives here: addresses, the mapping of options and errors, topics by confluent-kafka's AdminClient, producing,
fetching and groups by its librdkafka. Enters: what the client's classes ask of an Engine. Leaves: RecordBatches,
deliveries, logflume's errors. It does not know: files, the directory engine.
"""

from logflume.client.cluster.cluster import Cluster

__all__ = ["Cluster"]
