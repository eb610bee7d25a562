"""A record of a queue."""

from logflume._native.columns cimport Record


cdef class QueueRecord:
    cdef Record record
    cdef readonly int delivery_count
