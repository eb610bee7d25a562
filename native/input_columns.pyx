"""Columns of byte strings taken in from numpy and Arrow, without a copy."""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free

from logflume import errors

__all__ = []


cdef class InputColumn:
    """One or several chunks of byte strings; keeps their owner alive."""

    def __dealloc__(self):
        free(self.chunks)


cdef InputColumn _from_numpy(object array):
    """Each item of the first axis is one value: its bytes as they lie in memory."""
    import numpy
    if array.dtype.hasobject:
        return None
    if array.ndim == 0:
        raise TypeError("values: a 0-d array has no items")
    if array.ndim > 1 or array.dtype.itemsize == 0:
        array = numpy.ascontiguousarray(array)
    cdef InputColumn out = InputColumn.__new__(InputColumn)
    out.chunks = <lf_in_column *>calloc(1, sizeof(lf_in_column))
    if out.chunks == NULL:
        raise MemoryError
    out.n_chunks = 1
    out.keep = array
    out.length = len(array)
    cdef lf_in_column *c = out.chunks
    c.kind = LF_IN_FIXED
    c.n = out.length
    c.data = <const uint8_t *><size_t>array.ctypes.data
    c.stride = array.strides[0]
    c.width = array.nbytes // out.length if array.ndim > 1 and out.length else array.dtype.itemsize
    return out


cdef InputColumn as_column(object values):
    if isinstance(values, (list, tuple)):
        return None
    cdef type kind = type(values)
    if kind.__module__ == "numpy":
        return _from_numpy(values)
    return None
