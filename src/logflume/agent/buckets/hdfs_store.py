"""Files of HDFS, through hdfs-native: Hadoop's protocol in Rust, without a JVM."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from logflume.agent.buckets.store import Output, Store
from logflume.errors import MissingExtra, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["HdfsStore", "hdfs_client"]

_COPY_BYTES = 4 << 20


def hdfs_client(address: str, **login: str) -> Any:
    """A client of a name node or name service. Raises MissingExtra, StorageError."""
    client: Any = _library().Client
    with _errors(address):
        return client(address, **login)


def _library() -> Any:
    try:
        import hdfs_native
    except ImportError as error:
        raise MissingExtra(what="HDFS", extra="hdfs", reason=str(error)) from error
    return hdfs_native


@contextmanager
def _errors(path: str) -> Iterator[None]:
    """The library's failures as StorageError; those of files that are there, or are not, as they are."""
    try:
        yield
    except (FileNotFoundError, FileExistsError, StorageError):
        raise
    except Exception as error:
        raise StorageError(path=path, reason=_said(error)) from error


def _said(error: BaseException) -> str:
    """What the name node said, without its Java stack."""
    text = str(error).replace("\\n", "\n").replace("\\t", "\t")
    return (text.split("\n", 1)[0] or type(error).__name__)[:300]


class _HdfsOutput(Output):
    def __init__(self, path: str, writer: Any) -> None:
        self._path = path
        self._writer = writer

    def write(self, data: bytes | memoryview) -> None:
        with _errors(self._path):
            self._writer.write(data)

    def sync(self) -> None:
        with _errors(self._path):
            self._writer.hsync()

    def close(self) -> None:
        with _errors(self._path):
            self._writer.close()


class HdfsStore(Store):
    """`hdfs://host:port/…` or `hdfs://nameservice/…`; replication and block size are the cluster's."""

    def __init__(self, address: str, **login: str) -> None:
        self._address = address
        self._login = login
        self._mutex = threading.Lock()
        self._client: Any = None

    def _connected(self) -> Any:
        with self._mutex:
            if self._client is None:
                self._client = hdfs_client(self._address, **self._login)
            return self._client

    def forget(self) -> None:
        with self._mutex:
            self._client = None

    def check(self) -> None:
        _library()

    def create(self, path: str) -> Output:
        return self._begin(path, overwrite=False)

    def _begin(self, path: str, *, overwrite: bool) -> Output:
        client = self._connected()
        how = _library().WriteOptions(overwrite=overwrite, create_parent=True)
        with _errors(path):
            try:
                return _HdfsOutput(path, client.create(_path(path), how))
            except FileExistsError:
                raise StorageError(path=path, reason="is there already, and not ours") from None

    def cut(self, path: str, size: int) -> bool:
        client, name = self._connected(), _path(path)
        try:
            with _errors(path):
                # Whoever wrote it before cannot write any more after this.
                if not client.recover_lease(name):
                    return False
                found = client.get_file_info(name).length
        except FileNotFoundError:
            return True
        if found < size:
            raise StorageError(
                path=path, reason=f"has {found} bytes of the {size} that were synced"
            )
        if found > size:
            self._rewrite(path, size)
        return True

    def _rewrite(self, path: str, size: int) -> None:
        """The library cannot truncate: a copy of the beginning takes the file's place, at one moment."""
        client, name = self._connected(), _path(path)
        directory, _, base = path.rpartition("/")
        copy = f"{directory}/_cut-{base}"
        out = self._begin(copy, overwrite=True)
        with _errors(path):
            reader = client.read(name)
            for at in range(0, size, _COPY_BYTES):
                out.write(reader.read_range(at, min(_COPY_BYTES, size - at)))
        out.sync()
        out.close()
        with _errors(path):
            client.rename(_path(copy), name, True)

    def publish(self, path: str, final: str) -> bool:
        try:
            with _errors(final):
                self._connected().rename(_path(path), _path(final), False)
        except FileNotFoundError:
            return False
        except FileExistsError:
            raise StorageError(path=final, reason="is there already, and not ours") from None
        return True

    def remove(self, path: str) -> None:
        with _errors(path):
            self._connected().delete(_path(path), False)


def _path(address: str) -> str:
    return "/" + address.partition("://")[2].partition("/")[2].lstrip("/")
