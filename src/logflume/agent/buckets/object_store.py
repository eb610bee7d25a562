"""Objects of a store (S3, Google Cloud Storage, Azure), through obstore: there whole or not at all.

An object cannot grow, so the file that is being written lies on this machine, and is put when it is full.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from urllib.parse import urlsplit

from logflume.agent.buckets.hadoop import hadoop_settings
from logflume.agent.buckets.local_store import begin_file, cut_file
from logflume.agent.buckets.store import Output, Store
from logflume.errors import MissingExtra, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["OBJECT_SCHEMES", "ObjectStore"]

OBJECT_SCHEMES = ("s3a", "s3", "gs", "abfs", "abfss", "az")
_OF_HADOOP = {
    "fs.s3a.access.key": "access_key_id",
    "fs.s3a.secret.key": "secret_access_key",
    "fs.s3a.session.token": "session_token",
    "fs.s3a.endpoint": "endpoint",
    "fs.s3a.endpoint.region": "region",
}
"""What core-site.xml says of S3, by obstore's names. The environment (AWS_…) counts where it says nothing."""


class ObjectStore(Store):
    """`s3a://bucket/…`, `gs://bucket/…`, `abfs://container@account…/…`.

    Parameters: the address of the bucket; the local directory for what is not whole yet.
    """

    def __init__(self, address: str, spool: str) -> None:
        self._address = address
        self._spool = os.path.abspath(os.path.expanduser(spool))
        self._mutex = threading.Lock()
        self._store: Any = None

    def check(self) -> None:
        try:
            import obstore.store  # noqa: F401  # asked for, not used
        except ImportError as error:
            raise MissingExtra(what="an object store", extra="store", reason=str(error)) from error

    def _opened(self) -> Any:
        self.check()
        import obstore.store

        with self._mutex:
            if self._store is None:
                scheme = urlsplit(self._address).scheme
                given = hadoop_settings() if scheme in ("s3", "s3a") else {}
                options = {
                    ours: given[name] for name, ours in _OF_HADOOP.items() if given.get(name)
                }
                if (end := options.get("endpoint")) and "://" not in end:
                    options["endpoint"] = f"https://{end}"
                plain = options.get("endpoint", os.environ.get("AWS_ENDPOINT_URL", ""))
                kinds: Any = obstore.store
                self._store = kinds.from_url(
                    self._address,
                    config=options,
                    client_options={"allow_http": True} if plain.startswith("http://") else None,
                )
            return self._store

    def forget(self) -> None:
        with self._mutex:
            self._store = None

    def _local(self, path: str) -> str:
        return os.path.join(self._spool, hashlib.sha256(path.encode()).hexdigest())

    def create(self, path: str) -> Output:
        return begin_file(self._local(path))

    def cut(self, path: str, size: int) -> bool:
        cut_file(self._local(path), size)
        return True

    def publish(self, path: str, final: str) -> bool:
        """Put it, then forget the file: doing so twice puts the same object twice."""
        file = Path(self._local(path))
        if not file.exists():
            return False
        import obstore

        key = final[len(self._address) :].lstrip("/")
        try:
            obstore.put(self._opened(), key, file)
        except Exception as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise StorageError(path=final, reason=first[:300]) from error
        file.unlink()
        return True

    def remove(self, path: str) -> None:
        Path(self._local(path)).unlink(missing_ok=True)
