"""A topic as a mapping: the last value of each key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from logflume.client.table.core import Core, Follow
from logflume.client.table.serde import BYTES
from logflume.client.table.views import TableItems, TableValues
from logflume.client.table.waiting import Target, wait_until
from logflume.closing import Closing

if TYPE_CHECKING:
    import os

    from logflume._native.delivery import Delivery
    from logflume.client.log import Log

__all__ = ["Form", "Table"]

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")
Form = tuple[Callable[[K], bytes], Callable[[bytes], K]]
"""Keys, or values, to bytes and back: a Serde, or any such pair."""


class Table(Closing, Mapping[K, V]):
    """The last value of each key of a topic; made by `log.table(topic)`.

    Parameters:
        topic: normally one with `cleanup.policy=compact`.
        partitions: numbers of those to hold; all by default, also those added later.
        follow: "read" (default), every read first takes in what is published by then; "background", a thread
            does; "manual", only refresh() and wait_until() do. Own writes are seen at once in each case.
        key_serde, value_serde: pairs of callables (to bytes, from bytes), such as TEXT and JSON.
        checkpoint: False to neither read nor write checkpoint files; a read-only directory's are only read.
        state_dir: directory of the checkpoint files; by default each lies beside its partition's segments.
        inline_bytes_max: longer values (bytes) stay in the log and are read from there when asked for.
        options: of the producer that put() and delete() use (`acks`, `linger_ms`, ...).

    A key is looked for in the partition where the producer's partitioner puts it, then in the others. Records
    without key are left out. Thread-safe. Close it, or use it as a context manager; closing the log does it too.
    Raises UnknownTopicOrPartition, InvalidConfig, UnknownConfig, CorruptRecord.
    """

    def __init__(
        self,
        log: Log,
        topic: str,
        *,
        partitions: Iterable[int] | None = None,
        follow: Follow = "read",
        key_serde: Form[K] | None = None,
        value_serde: Form[V] | None = None,
        checkpoint: bool = True,
        state_dir: str | os.PathLike[str] | None = None,
        inline_bytes_max: int = 1024,
        **options: object,
    ) -> None:
        keys: Any = BYTES if key_serde is None else key_serde
        values: Any = BYTES if value_serde is None else value_serde
        self._dump_key: Callable[[K], bytes] = keys[0]
        self._load_key: Callable[[bytes], K] = keys[1]
        self._dump_value: Callable[[V], bytes] = values[0]
        self._load_value: Callable[[bytes], V] = values[1]
        self._write_to: int | None = (
            None  # the partition of all writes, in place of the partitioner's
        )
        self._plain_keys, self._plain_values = keys is BYTES, values is BYTES
        self._callbacks: list[Callable[[K, V | None, V | None], object]] = []
        self.core = Core(
            log,
            topic,
            partitions=partitions,
            follow=follow,
            checkpoint=checkpoint,
            state_dir=state_dir,
            inline_bytes_max=inline_bytes_max,
            options=options,
        )

    # ---- reading

    def __getitem__(self, key: K) -> V:
        """The last value of a key. Raises KeyError, CorruptRecord, Closed."""
        plain = self._plain_keys and type(key) is bytes
        value = self.core.find(key if plain else self._dump_key(key))  # type: ignore[arg-type]
        if value is None:
            raise KeyError(key)
        return value if self._plain_values else self._load_value(value)  # type: ignore[return-value]

    @overload
    def get(self, key: K, default: None = None, /) -> V | None: ...
    @overload
    def get(self, key: K, default: V | D, /) -> V | D: ...

    def get(self, key: K, default: Any = None, /) -> Any:
        """The last value of a key, or the default."""
        # Bytes, the usual keys and values, are not sent through the calls that would return them as they are.
        plain = self._plain_keys and type(key) is bytes
        value = self.core.find(key if plain else self._dump_key(key))  # type: ignore[arg-type]
        if value is None:
            return default
        return value if self._plain_values else self._load_value(value)

    def __contains__(self, key: object) -> bool:
        return self.core.find(self._dump_key(key)) is not None  # type: ignore[arg-type]

    def __len__(self) -> int:
        return self.core.count()

    def __iter__(self) -> Iterator[K]:
        """The keys of this moment, in no order."""
        return map(self._load_key, self.core.keys())

    def items(self) -> TableItems[K, V]:
        """Keys and values; an iteration goes over those of one moment."""
        return TableItems(self)

    def values(self) -> TableValues[V]:
        """Values; an iteration goes over those of one moment."""
        return TableValues(self)

    def _pairs(self) -> Iterator[tuple[K, V]]:
        return self._loaded(self.core.pairs())

    def scan(self, prefix: bytes | str = b"", *, limit: int | None = None) -> Iterator[tuple[K, V]]:
        """Keys that begin with `prefix`, with their values, in the order of their bytes; at most `limit`.

        The prefix is of the key's bytes (str: as UTF-8). Takes time in proportion to the whole table.
        """
        start = prefix.encode() if isinstance(prefix, str) else prefix
        return self._loaded(self.core.scan(start, limit))

    def _loaded(self, pairs: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[K, V]]:
        load_key, load_value = self._load_key, self._load_value
        return ((load_key(key), load_value(value)) for key, value in pairs)

    # ---- writing

    def put(
        self,
        key: K,
        value: V,
        *,
        partition: int | None = None,
        headers: Iterable[tuple[str, bytes | None]] | None = None,
        timestamp: int | None = None,
    ) -> Delivery:
        """Send a value, which this table shows from here on; the Delivery tells when it is acknowledged.

        Without `partition` it goes where the partitioner puts the key. Raises InvalidRecord when this table does
        not hold that partition, RecordTooLarge, InvalidTimestamp, ReadOnlyDirectory, Closed.
        """
        plain = self._plain_keys and type(key) is bytes
        raw = value if self._plain_values and type(value) is bytes else self._dump_value(value)
        return self.core.send(
            key if plain else self._dump_key(key),  # type: ignore[arg-type]
            raw,  # type: ignore[arg-type]
            headers,
            self._write_to if partition is None else partition,
            timestamp,
        )

    def delete(
        self,
        key: K,
        *,
        partition: int | None = None,
        headers: Iterable[tuple[str, bytes | None]] | None = None,
        timestamp: int | None = None,
    ) -> Delivery:
        """Send a tombstone, whether the key is there or not; otherwise as put()."""
        number = self._write_to if partition is None else partition
        return self.core.send(self._dump_key(key), None, headers, number, timestamp)

    def flush(self) -> None:
        """Return when all that was put and deleted is acknowledged. Raises the first failure since the last flush.

        A write that failed no longer shows after the next refresh.
        """
        self.core.flush()

    # ---- following the log

    def refresh(self) -> int:
        """Take in all that is published by now, added partitions too; returns how many records that were.

        Raises CorruptRecord, UnknownTopicOrPartition when the topic was deleted, and what a callback raised.
        """
        return self.core.refresh()

    def wait_until(self, target: Target, timeout: float | None = None) -> None:
        """Return once the table has a record (its metadata or Delivery) and all before it in its partition.

        `target` may also be offsets of records by partition, or one offset where the table holds one partition;
        `timeout` in seconds. Raises Timeout, ValueError for a record that cannot come.
        """
        wait_until(self.core, target, timeout)

    def on_change(
        self, callback: Callable[[K, V | None, V | None], object], *, replay: bool = False
    ) -> Callable[[K, V | None, V | None], object]:
        """Have `callback(key, old, new)` called for each record taken in from now on; None stands for absent.

        Calls come in the order of the log within a partition, after the change shows in the table, from the
        thread that takes it in. An error that one raises comes out of the refresh() or read that it happened in;
        the next one goes on with the record after it. When records went from the front of the log, the keys that
        are gone with them are announced too. `old` is also None when it is longer than inline_bytes_max
        and compaction has taken it. With `replay` it is called first for each key that is there, as if that came
        now, and misses nothing in between. Returns the callback, so that it serves as a decorator.
        """
        with self.core.lock:
            if replay:
                self.core.replay(lambda *change: self._call([callback], *change))
            # Replaced, not changed: a callback may add or remove one.
            self._callbacks = [*self._callbacks, callback]
            self.core.announce = self._announce
        return callback

    def remove_on_change(self, callback: Callable[[K, V | None, V | None], object]) -> None:
        """No longer call it. Raises ValueError when it is not one of them."""
        with self.core.lock:
            left = self._callbacks.copy()
            left.remove(callback)
            self._callbacks = left
            if not left:
                self.core.announce = None

    def _announce(self, key: bytes, old: bytes | None, new: bytes | None) -> None:
        self._call(self._callbacks, key, old, new)

    def _call(
        self,
        callbacks: list[Callable[[K, V | None, V | None], object]],
        key: bytes,
        old: bytes | None,
        new: bytes | None,
    ) -> None:
        given: Any = key if self._plain_keys else self._load_key(key)
        before: Any = old
        after: Any = new
        if not self._plain_values:
            before = None if old is None else self._load_value(old)
            after = None if new is None else self._load_value(new)
        for callback in callbacks:
            callback(given, before, after)

    # ---- about it

    @property
    def topic(self) -> str:
        """The topic's name."""
        return self.core.topic

    @property
    def positions(self) -> dict[int, int]:
        """By partition: offset of the next record to take in."""
        return {number: state.position for number, state in self.core.states.items()}

    @property
    def closed(self) -> bool:
        return self.core.closed

    def checkpoint(self) -> None:
        """Flush, refresh and save the state, so that the next start reads only what comes after it.

        Raises DiskFull, SyncFailed, ReadOnlyDirectory, and what flush() and refresh() raise.
        """
        self.core.checkpoint()

    def close(self) -> None:
        """Flush, take in what is published, save the state if a restart would otherwise read much. Idempotent.

        Saved is when the records taken in since the last time are a quarter as many as there are keys.
        """
        self.core.close()

    def __repr__(self) -> str:
        if self.closed:
            return f"<{type(self).__name__} {self.topic}, closed>"
        held = ", ".join(f"{number} up to {at}" for number, at in self.positions.items())
        return f"<{type(self).__name__} {self.topic}: {held}>"
