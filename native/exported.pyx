"""Read-only memory of some object as memoryviews and numpy arrays, without a copy.

A memoryview that is cut or cast, or an array that is sliced, keeps its exporter alive, which keeps the owner.
"""

from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBUF_STRIDES, PyBUF_WRITABLE

cimport cython

__all__ = []


cdef char NOWHERE = 0       # where empty columns lie: consumers dislike NULL


cdef extern from "Python.h":
    object PyMemoryView_FromObject(object)


@cython.final
@cython.internal
@cython.freelist(64)
cdef class Exporter:
    """The buffer protocol over memory that `owner` keeps valid and unchanged."""

    cdef object owner
    cdef const void *base
    cdef Py_ssize_t n, itemsize
    cdef const char *format

    def __getbuffer__(self, Py_buffer *view, int flags):
        if flags & PyBUF_WRITABLE == PyBUF_WRITABLE:
            raise BufferError("records are read-only")
        view.buf = <void *>self.base
        view.len = self.n * self.itemsize
        view.itemsize = self.itemsize
        view.readonly = 1
        view.ndim = 1
        view.format = <char *>self.format if flags & PyBUF_FORMAT else NULL
        view.shape = &self.n if flags & PyBUF_ND else NULL
        view.strides = &self.itemsize if flags & PyBUF_STRIDES == PyBUF_STRIDES else NULL
        view.suboffsets = NULL
        view.internal = NULL
        view.obj = self


cdef object memory_view(object owner, const void *base, Py_ssize_t n, Py_ssize_t itemsize, const char *format):
    cdef Exporter out = Exporter.__new__(Exporter)
    out.owner = owner
    out.base = base if base != NULL else <const void *>&NOWHERE
    out.n = n
    out.itemsize = itemsize
    out.format = format
    return PyMemoryView_FromObject(out)


cdef object numpy_array(object owner, const void *base, Py_ssize_t n, Py_ssize_t itemsize, const char *format):
    import numpy
    return numpy.asarray(memory_view(owner, base, n, itemsize, format))
