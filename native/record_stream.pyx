"""`async for record in consumer`: records of a fetched batch without a coroutine, future or task switch for each."""

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF

cimport cython

from logflume._native.columns cimport Record, RecordBatch
from logflume._native.consumer_core cimport RecordIterator

__all__ = ["RecordStream"]

cdef extern from "Python.h":
    ctypedef struct PyAsyncMethods:
        int (*am_send)(PyObject *, PyObject *, PyObject **) except? -1
    ctypedef struct PyTypeObject:
        PyObject *(*tp_iternext)(PyObject *) except? NULL
        PyAsyncMethods *tp_as_async
    enum:
        PYGEN_RETURN
    void PyErr_SetObject(PyObject *kind, PyObject *value) noexcept
    PyObject *PyExc_StopIteration

TWICE = "an awaitable of async for was awaited twice"


@cython.final
cdef class RecordStream:
    """An asynchronous iterator, and the awaitable that its __anext__ returns while there are records at hand.

    `records` hands out what is fetched; `refill()` returns a coroutine that gives the next record after fetching
    more, or raises StopAsyncIteration. A record is taken when it is awaited, so that a dropped awaitable loses none.
    """

    def __init__(self, RecordIterator records, refill):
        self.records = records
        self.refill = refill

    def __aiter__(self):
        return self

    def __anext__(self):
        return self

    def __await__(self):
        if self.records.row < self.records.end:
            return self
        return self.refill().__await__()

    def __iter__(self):
        return self

    def __next__(self):
        cdef Record record = self.records.take()
        if record is None:
            raise RuntimeError(TWICE)
        raise StopIteration(record)

    @property
    def has_records(self):
        """bool: there are records at hand."""
        return self.records.row < self.records.end

    def load(self, RecordBatch batch):
        """Take the next batch."""
        self.records.load(batch)

    def take(self):
        """The next record at hand, or None."""
        return self.records.take()


cdef PyObject *iternext(PyObject *stream) except? NULL:
    """tp_iternext: as __next__, but without the traceback, which costs as much as the record."""
    cdef Record record = (<RecordStream>stream).records.take()
    if record is None:
        raise RuntimeError(TWICE)
    PyErr_SetObject(PyExc_StopIteration, <PyObject *>record)
    return NULL


cdef int send(PyObject *stream, PyObject *value, PyObject **result) except? -1:
    """am_send: without an exception, for the interpreters that ask for it."""
    cdef Record record = (<RecordStream>stream).records.take()
    if record is None:
        raise RuntimeError(TWICE)
    Py_INCREF(record)
    result[0] = <PyObject *>record
    return PYGEN_RETURN


(<PyTypeObject *>RecordStream).tp_iternext = iternext
(<PyTypeObject *>RecordStream).tp_as_async.am_send = send
