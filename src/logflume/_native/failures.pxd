"""The one place where a status of the C core becomes an exception."""

from libc.stdint cimport int32_t, int64_t

from logflume._native.core cimport lf_error


# Raises the typed error that `e` describes; returns -1, so that `return fail(&e, ...)` is enough.
cdef int fail(const lf_error *e, str topic=*, int32_t partition=*, int64_t start=*, int64_t end=*) except -1
