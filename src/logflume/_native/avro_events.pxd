"""Flume's events out of Avro's bytes, as columns."""
