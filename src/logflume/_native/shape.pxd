"""The shape of a protocol message."""

from logflume._native.wire cimport lf_wire


cdef class Shape:
    cdef bint flexible
    cdef list steps
    cdef int least          # bytes

    cdef void walk(self, lf_wire *w) noexcept
    cdef void _walk_tags(self, lf_wire *w, dict tagged) noexcept
