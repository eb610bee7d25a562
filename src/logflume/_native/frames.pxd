"""Requests out of a byte stream."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t


cdef enum:
    KEPT_MAX = 16


cdef struct Kept:
    uint8_t *data
    Py_ssize_t size


cdef class FrameMemory:
    cdef uint8_t *receive
    cdef Py_ssize_t receive_bytes
    cdef readonly int64_t held      # bytes of frames that are received or being served
    cdef readonly int64_t limit
    cdef list waiting
    cdef Kept kept[KEPT_MAX]        # memory of frames that were, the latest behind
    cdef int n_kept
    cdef readonly int64_t kept_bytes

    cdef uint8_t *take(self, Py_ssize_t room) noexcept
    cdef void keep(self, uint8_t *data, Py_ssize_t room) noexcept
    cdef void _forget(self, int i) noexcept
    cdef bint has_room(self, Py_ssize_t size) noexcept
    cdef void give_back(self, Py_ssize_t size) noexcept
    cdef void _tell(self) noexcept


cdef class Frame:
    cdef uint8_t *data
    cdef Py_ssize_t size
    cdef Py_ssize_t room            # that `data` has
    cdef FrameMemory memory
    cdef readonly int16_t api_key
    cdef readonly int16_t version
    cdef readonly int32_t correlation_id
    cdef readonly str client_id
    cdef readonly Py_ssize_t body_at


cdef class FrameReader:
    cdef FrameMemory memory
    cdef public int64_t frame_bytes_max
    cdef Frame partial              # being received
    cdef Py_ssize_t filled          # bytes of it
    cdef bint in_place              # the buffer handed out is the partial frame's own
    cdef uint8_t prefix[4]
    cdef int prefix_filled
    cdef bytes rest                 # received, behind the size of a frame that waits for memory

    cdef Py_ssize_t room(self) noexcept
    cdef int _take(self, const uint8_t *p, Py_ssize_t n, list out) except -1
    cdef int _begin_or_stall(self) except -1
    cdef bint _begin(self) except -1
    cdef int _finish(self, list out) except -1
