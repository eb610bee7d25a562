"""Records become finished batches in one buffer, ready to be written."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from logflume._native.core cimport lf_builder
from logflume._native.input_columns cimport InputColumn, lf_in_column


cdef enum:
    # So much is sooner checksummed and written than the GIL had back from other threads: they share a sync then.
    GIL_BYTES = 16384


cdef class SharedHeaders:
    cdef tuple pairs
    cdef bytes encoded
    cdef int64_t count


cdef class Stage:
    cdef lf_builder b
    cdef int codec, level
    cdef int64_t batch_bytes        # a batch is closed before it grows beyond
    cdef int64_t max_message_bytes
    cdef size_t full_bytes          # fill() returns once this much is finished
    cdef int64_t records            # in finished batches
    cdef Stage below                # of the chain of those that nobody uses

    cdef int put(self, object value, object key, object headers, int64_t timestamp) except -1
    cdef int finish(self) except -1
    cdef int _make_room(self, int64_t payload) except -1
    cdef void reset(self) noexcept
    # Puts items from `start` on until the buffer is full or the input ends; returns the next index.
    cdef int64_t fill_objects(self, object values, object keys, object timestamps, object headers, int64_t now,
                              int64_t start, int64_t stop) except -1
    cdef int64_t _fill(self, const lf_in_column *values, const lf_in_column *keys, const int64_t *timestamps, int64_t now,
                       int64_t length, int64_t start, SharedHeaders headers=*) except -1
    cdef int64_t fill_columns(self, InputColumn values, InputColumn keys, const int64_t *timestamps, SharedHeaders headers,
                              int64_t now, int64_t start, int64_t stop) except -1


cdef Stage take_stage()
cdef void give_stage(Stage stage) noexcept
cdef bytes plain_bytes(str what, object given)
cdef tuple take_headers(object headers, int64_t *size)
cdef uint8_t *put_headers(uint8_t *p, tuple headers) noexcept
cdef int raise_status(int status, int64_t size, int64_t limit) except -1
