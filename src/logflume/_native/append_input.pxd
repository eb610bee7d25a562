"""What one append call was given, checked and in one of two forms: columns, or plain sequences."""

from libc.stdint cimport int64_t

from logflume._native.input_columns cimport InputColumn
from logflume._native.staging cimport SharedHeaders


cdef class AppendInput:
    cdef readonly int64_t length
    cdef InputColumn value_column, key_column   # value_column None: the sequences below hold the records
    cdef object values, keys, timestamps, headers
    cdef SharedHeaders shared                   # of all records; only with columns
    cdef object stamps                          # of columns, a numpy array; None: all records are of now
    cdef const int64_t *stamp_data

    cdef const int64_t *stamps_at(self) noexcept
    # Raises InvalidRecord for a record without a key.
    cdef int require_keys(self) except -1
