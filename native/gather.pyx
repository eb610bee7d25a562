"""A stretch of a Python list as a column: pointers and lengths, the objects held meanwhile.

Encoding and compressing then run without the GIL over a few hundred records at a time, so that threads which
append to different partitions run side by side; holding the objects makes that safe when another thread
changes the list.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.list cimport PyList_CheckExact
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_CheckExact
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc

cimport cython

from logflume._native.input_columns cimport LF_IN_POINTERS, lf_in_bytes

__all__ = []

cdef extern from "Python.h":
    PyObject **PySequence_Fast_ITEMS(object o)
    Py_ssize_t PySequence_Fast_GET_SIZE(object o)

cdef extern from *:
    void __builtin_prefetch(const void *at) noexcept

cdef int64_t RECORDS_MAX = 4096
cdef int64_t AHEAD = 12     # objects lie anywhere: their sizes are asked for so many before they are read


cdef int64_t stamp_of(object given) except? -2:
    """A timestamp in ms as it was given: a whole number. TypeError for a float, which would be seconds."""
    if isinstance(given, int) or hasattr(given, "__index__"):
        return given
    raise TypeError(f"a timestamp is an int, milliseconds since 1970, not {type(given).__name__}")


cdef bint has_headers(list_or_tuple, int64_t i) except -1:
    """False when item `i` is known to be None or empty; runs no Python code."""
    cdef PyObject *item
    if i >= PySequence_Fast_GET_SIZE(list_or_tuple):
        raise RuntimeError(CHANGED)
    item = PySequence_Fast_ITEMS(list_or_tuple)[i]
    if <object>item is None:
        return False
    if PyList_CheckExact(<object>item) or PyTuple_CheckExact(<object>item):
        return PySequence_Fast_GET_SIZE(<object>item) > 0
    return True


CHANGED = "the list was changed while it was being appended"


@cython.final
cdef class Gather:
    """Not thread-safe: it belongs to one call."""

    def __cinit__(self):
        self.value_items = <lf_in_bytes *>malloc(RECORDS_MAX * sizeof(lf_in_bytes))
        self.key_items = <lf_in_bytes *>malloc(RECORDS_MAX * sizeof(lf_in_bytes))
        self.stamp_items = <int64_t *>malloc(RECORDS_MAX * sizeof(int64_t))
        self.held = <PyObject **>malloc(2 * RECORDS_MAX * sizeof(PyObject *))
        if self.value_items == NULL or self.key_items == NULL or self.stamp_items == NULL or self.held == NULL:
            raise MemoryError
        self.values.kind = self.keys.kind = LF_IN_POINTERS
        self.values.offsets = self.value_items
        self.keys.offsets = self.key_items

    def __dealloc__(self):
        self.release()
        free(self.value_items)
        free(self.key_items)
        free(self.stamp_items)
        free(self.held)

    cdef void release(self) noexcept:
        """Lets the objects go."""
        cdef int64_t i
        for i in range(self.n_held):
            Py_DECREF(<object>self.held[i])
        self.n_held = 0

    cdef int64_t take(self, object values, object keys, object timestamps, object headers, int64_t now,
                      int64_t start, int64_t stop, int64_t bytes_max) except -1:
        cdef int64_t n = 0, taken = 0, length, room = stop - start
        cdef PyObject *item
        cdef PyObject **held = self.held
        cdef bint keyed = keys is not None
        self.release()
        if room > RECORDS_MAX:
            room = RECORDS_MAX
        if start + room > PySequence_Fast_GET_SIZE(values) or (keyed and start + room > PySequence_Fast_GET_SIZE(keys)):
            raise RuntimeError(CHANGED)
        cdef PyObject **value_at = PySequence_Fast_ITEMS(values) + start
        cdef PyObject **key_at = PySequence_Fast_ITEMS(keys) + start if keyed else NULL
        self.stamps = NULL
        # Nothing in this loop runs Python code, so the lists stay as they are.
        while n < room and taken < bytes_max:
            if headers is not None and has_headers(headers, start + n):
                break
            item = value_at[n]
            if n + AHEAD < room:
                __builtin_prefetch(value_at[n + AHEAD])
            if PyBytes_CheckExact(<object>item):
                length = PyBytes_GET_SIZE(<object>item)
                self.value_items[n].at = <const uint8_t *>PyBytes_AS_STRING(<object>item)
            elif <object>item is None:
                length = -1
                self.value_items[n].at = NULL
            else:
                break
            self.value_items[n].length = length
            taken += length
            if keyed:
                if PyBytes_CheckExact(<object>key_at[n]):
                    length = PyBytes_GET_SIZE(<object>key_at[n])
                    self.key_items[n].at = <const uint8_t *>PyBytes_AS_STRING(<object>key_at[n])
                elif <object>key_at[n] is None:
                    length = -1
                    self.key_items[n].at = NULL
                else:
                    break
                self.key_items[n].length = length
                taken += length
                Py_INCREF(<object>key_at[n])
                held[self.n_held] = key_at[n]
                self.n_held += 1
            Py_INCREF(<object>item)
            held[self.n_held] = item
            self.n_held += 1
            n += 1
        if timestamps is not None:
            for room in range(n):
                # Looked at anew each time: taking an int may run code that changes the list.
                if start + room >= len(timestamps):
                    raise RuntimeError(CHANGED)
                when = timestamps[start + room]
                self.stamp_items[room] = now if when is None else stamp_of(when)
            self.stamps = self.stamp_items
        self.values.n = self.keys.n = n
        return n
