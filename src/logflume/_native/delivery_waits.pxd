"""Awaiting deliveries: one wake-up of the event loop for each batch, no future for each record."""

from logflume._native.accumulator cimport PendingBatch
from logflume._native.delivery cimport Delivery


cdef class LoopWaits:
    cdef PendingBatch batch
    cdef object loop
    cdef dict calls                 # None once they were called


cdef class DeliveryWait:
    cdef Delivery delivery
    cdef public bint _asyncio_future_blocking
    cdef bint is_cancelled
    cdef object loop, callback, context, message
