"""Objects under one address: read, written whole, made once, listed, deleted; with logflume's errors."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager

from logflume.errors import (
    AuthenticationFailed,
    InvalidConfig,
    MissingExtra,
    NotAuthorized,
    ObjectMissing,
    StoreUnavailable,
    UnsupportedByEngine,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

__all__ = ["Objects", "is_store_address"]

_SCHEMES = frozenset(("s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "file", "memory"))
_SECRET = ("secret", "password", "token", "account_key", "access_key", "sas")
_RETRY_S = 120
_DELETE_AT_ONCE = 1000

_memory: dict[str, Any] = {}
_mutex = threading.Lock()


def is_store_address(address: str) -> bool:
    """Whether an address names an object store."""
    scheme, colon, _ = str(address).partition("://")
    return bool(colon) and scheme in _SCHEMES


class Objects:
    """What lies under `s3://bucket/prefix`, `gs://…`, `az://…`, `file:///…` or `memory://name`. Thread-safe.

    Options are obstore's, behind `?` (`s3://bucket/prefix?region=eu-west-1`) or in the environment
    (`AWS_ENDPOINT_URL`, …). Secrets are taken from the environment only.
    """

    def __init__(self, address: str) -> None:
        from urllib.parse import parse_qsl, urlsplit

        parts = urlsplit(address)
        self.address = address.partition("?")[0]
        if "@" in parts.netloc:
            raise InvalidConfig(name="address", value=f"{parts.scheme}://…", reason=_NOT_IN_ADDRESS)
        options = dict(parse_qsl(parts.query))
        for name in options:
            if any(word in name.lower() for word in _SECRET):
                raise InvalidConfig(name=name, value="(not shown)", reason=_NOT_IN_ADDRESS)
        try:
            import obstore
        except ImportError as error:
            raise MissingExtra(what="an object store", extra="store", reason=str(error)) from error
        self._obstore: Any = obstore
        with self._errors(""):
            self._store = _open(parts.scheme, self.address, options)

    def read(self, key: str, start: int = 0, end: int | None = None) -> memoryview:
        """An object's bytes, or a range of them. Raises ObjectMissing, StoreUnavailable."""
        with self._errors(key):
            if end is not None:
                return memoryview(self._obstore.get_range(self._store, key, start=start, end=end))
            return memoryview(self._obstore.get(self._store, key).bytes())

    def write(self, key: str, data: bytes) -> None:
        """Put an object; it is there whole or not at all."""
        with self._errors(key):
            self._obstore.put(self._store, key, data)

    def create(self, key: str, data: bytes) -> bool:
        """Put an object that nobody has put before; False when somebody has.

        One that was put by this very call, whose answer was lost and which was repeated, counts as ours.
        """
        exists: type[Exception] = self._obstore.exceptions.AlreadyExistsError
        with self._errors(key):
            try:
                self._obstore.put(self._store, key, data, mode="create")
            except exists:
                return bytes(self._obstore.get(self._store, key).bytes()) == data
        return True

    def keys(self, prefix: str) -> Iterator[str]:
        """Names below a prefix, in no order."""
        with self._errors(prefix):
            for chunk in self._obstore.list(self._store, prefix):
                for entry in chunk:
                    yield str(entry["path"])

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that are not there are none to care about."""
        wanted = list(keys)
        for at in range(0, len(wanted), _DELETE_AT_ONCE):
            some = wanted[at : at + _DELETE_AT_ONCE]
            try:
                with self._errors(some[0]):
                    self._obstore.delete(self._store, some)
            except ObjectMissing:
                for key in some:
                    self._delete_one(key)

    def _delete_one(self, key: str) -> None:
        try:
            with self._errors(key):
                self._obstore.delete(self._store, key)
        except ObjectMissing:
            pass

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        kinds = self._obstore.exceptions
        where = f"{self.address.rstrip('/')}/{key}" if key else self.address
        try:
            yield
        except (FileNotFoundError, kinds.NotFoundError) as error:
            raise ObjectMissing(key=where) from error
        except (PermissionError, kinds.PermissionDeniedError) as error:
            raise NotAuthorized(reason=f"{where}: {_first_line(error)}") from error
        except kinds.UnauthenticatedError as error:
            raise AuthenticationFailed(reason=f"{where}: {_first_line(error)}") from error
        except kinds.NotSupportedError as error:
            raise UnsupportedByEngine(
                what=f"a write that happens once only, to {self.address},",
                instead="a store with conditional writes",
            ) from error
        except kinds.UnknownConfigurationKeyError as error:
            raise InvalidConfig(name="address", value=where, reason=_first_line(error)) from error
        except (kinds.BaseError, OSError) as error:
            raise StoreUnavailable(address=where, reason=_first_line(error)) from error

    def __repr__(self) -> str:
        return f"<Objects of {self.address}>"


_NOT_IN_ADDRESS = (
    "secrets are taken from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, …)"
)


def _open(scheme: str, address: str, options: dict[str, str]) -> Any:
    from datetime import timedelta

    import obstore.store

    kinds: Any = obstore.store

    if scheme == "memory":
        with _mutex:
            return _memory.setdefault(address, kinds.MemoryStore())
    if scheme == "file":
        from urllib.parse import unquote, urlsplit

        path = unquote(urlsplit(address).path)
        os.makedirs(path, exist_ok=True)
        return kinds.LocalStore(path)
    # A store of one's own network rarely has TLS; its address says so.
    plain = any(
        value.startswith("http://")
        for value in (*options.values(), os.environ.get("AWS_ENDPOINT_URL", ""))
    )
    return kinds.from_url(
        address,
        config=options,
        client_options={"allow_http": True} if plain else None,
        retry_config={"retry_timeout": timedelta(seconds=_RETRY_S)},
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
