"""What one append call was given, checked and in one of two forms: columns, or plain sequences."""

from libc.stdint cimport int32_t, int64_t, uint8_t

cimport cython

from logflume import errors

from logflume._native.input_columns cimport as_column, as_sequence, as_timestamps, lf_in_get
from logflume._native.staging cimport SharedHeaders

from logflume._native.input_columns import held_bytes

__all__ = ["AppendInput"]

NO_KEY = "record %d has no key, and the topic is compacted: nothing could tell which record replaces it"


@cython.final
cdef class AppendInput:
    """Values with keys, timestamps and headers of the same length, each None when there are none.

    Columns (numpy, Arrow, Packed) stay columns when values and keys both are and no record has headers of its own.
    With SharedHeaders lists become columns too.
    Raises ValueError for different lengths, TypeError and InvalidRecord for what cannot be bytes.
    """

    def __init__(self, values, keys, timestamps, headers):
        if isinstance(headers, SharedHeaders):
            self.shared, headers = headers, None
            values = held_bytes(values) if isinstance(values, (list, tuple)) else values
            keys = held_bytes(keys) if isinstance(keys, (list, tuple)) else keys
            self.length = len(values)
            self._check("headers", self.shared.count)
        if headers is None:
            self.value_column = as_column(values)
            if self.value_column is not None and keys is not None:
                self.key_column = as_column(keys, "keys")
                if self.key_column is None:
                    values, self.value_column = self.value_column.items(), None
        if self.value_column is not None:
            self.length = self.value_column.length
            if self.key_column is not None:
                self._check("keys", self.key_column.length)
            if timestamps is not None:
                self.stamps = as_timestamps(timestamps)
                self._check("timestamps", len(self.stamps))
                self.stamp_data = <const int64_t *><size_t>self.stamps.ctypes.data
            return
        self.values = as_sequence(values)
        self.length = len(self.values)
        if keys is not None:
            self.keys = as_sequence(keys, "keys")
            self._check("keys", len(self.keys))
        if timestamps is not None:
            self.timestamps = timestamps if isinstance(timestamps, (list, tuple)) else as_timestamps(timestamps).tolist()
            self._check("timestamps", len(self.timestamps))
        if headers is not None:
            # Of a kind whose items can be looked at without running the caller's code.
            self.headers = headers if type(headers) in (list, tuple) else list(headers)
            self._check("headers", len(self.headers))

    def _check(self, what, int64_t got):
        if got != self.length:
            raise ValueError(f"{got} {what} for {self.length} values")

    cdef int require_keys(self) except -1:
        cdef int64_t row = 0, i
        cdef int32_t c
        cdef const uint8_t *p
        if self.key_column is not None:
            for c in range(self.key_column.n_chunks):
                for i in range(self.key_column.chunks[c].n):
                    if lf_in_get(&self.key_column.chunks[c], i, &p) < 0:
                        raise errors.InvalidRecord(reason=NO_KEY % (row + i))
                row += self.key_column.chunks[c].n
        elif self.keys is not None:
            if None in self.keys:
                raise errors.InvalidRecord(reason=NO_KEY % self.keys.index(None))
        elif self.length:
            raise errors.InvalidRecord(reason=NO_KEY % 0)
        return 0

    cdef const int64_t *stamps_at(self) noexcept:
        """The columns' timestamps; NULL when all records are of now."""
        return self.stamp_data
