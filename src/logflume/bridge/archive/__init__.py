"""Archives: topics in an object store, copied batch for batch, restored as they are or as they were at a time.

What lives here: the objects of a store (obstore), pieces and manifests, filling and restoring. Enters: an open Log, an
address. Leaves: objects whose newest snapshot is always whole; the same batches at the same offsets. It does not know
how a directory stores them.
"""

from logflume.bridge.archive.archive import Archive, open_archive
from logflume.bridge.archive.cluster_restore import restore_into_cluster
from logflume.bridge.archive.fill import fill
from logflume.bridge.archive.objects import is_store_address
from logflume.bridge.archive.restore import restore

__all__ = ["Archive", "fill", "is_store_address", "open_archive", "restore", "restore_into_cluster"]
