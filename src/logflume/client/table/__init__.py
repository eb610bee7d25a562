"""Tables: the last value of each key of a topic, as a mapping that follows the log.

What lives here: Table (any number of writers, several partitions), Changelog (one owner's state, one partition),
the state of a partition and its checkpoint file. Enters: record batches as columns; keys and values of the
user's. Leaves: values by key, calls of on_change, records for a producer. It does not know: groups, segment
files, how records are stored.
"""

from logflume.client.table.changelog import Changelog
from logflume.client.table.serde import BYTES, JSON, TEXT, Serde
from logflume.client.table.table import Table

__all__ = ["BYTES", "JSON", "TEXT", "Changelog", "Serde", "Table"]
