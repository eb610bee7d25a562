"""The file systems that a sink writes to, each opened once."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

from logflume.agent.buckets.hdfs_store import HdfsStore
from logflume.agent.buckets.local_store import LocalStore
from logflume.agent.buckets.object_store import OBJECT_SCHEMES, ObjectStore
from logflume.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.buckets.store import Store

__all__ = ["SCHEMES", "FileSystems"]

_HDFS = ("hdfs", "viewfs")
SCHEMES = (*_HDFS, "file", *OBJECT_SCHEMES)


class FileSystems:
    """By scheme and host. Thread-safe.

    Parameters: the local directory for objects that are not whole yet; what a client of HDFS is made with.
    """

    def __init__(self, spool: str, **hdfs: str) -> None:
        self._spool = spool
        self._hdfs = hdfs
        self._mutex = threading.Lock()
        self._found: dict[str, Store] = {}

    def of(self, address: str) -> Store:
        """The file system of a file or directory. Raises InvalidConfig for a scheme that is not served."""
        parts = urlsplit(address.partition("%")[0])
        root = f"{parts.scheme}://{parts.netloc}"
        with self._mutex:
            if root not in self._found:
                self._found[root] = self._open(parts.scheme, root)
            return self._found[root]

    def _open(self, scheme: str, root: str) -> Store:
        if scheme in _HDFS:
            return HdfsStore(root, **self._hdfs)
        if scheme == "file":
            return LocalStore()
        if scheme in OBJECT_SCHEMES:
            return ObjectStore(root, self._spool)
        raise InvalidConfig(
            name="hdfs.path",
            value=root,
            reason=f"{scheme}:// is not served; {', '.join(SCHEMES)} are",
        )

    def forget(self) -> None:
        """Drop all connections."""
        with self._mutex:
            for store in self._found.values():
                store.forget()
