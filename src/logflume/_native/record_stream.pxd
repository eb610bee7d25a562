"""`async for record in consumer`: records of a fetched batch without a coroutine, future or task switch for each."""

from logflume._native.consumer_core cimport RecordIterator


cdef class RecordStream:
    cdef RecordIterator records
    cdef object refill              # () -> coroutine of the next record
