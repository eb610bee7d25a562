"""The directory's page of transactions, and their end in several partitions at once."""

from libc.stdint cimport int64_t, uint64_t

from logflume._native.core cimport lf_state


cdef extern from "lf/txn_page.h" nogil:
    ctypedef struct lf_txn_page:
        uint64_t sequence
        unsigned int unsettled, held
    bint lf_txn_stable_offsets(lf_txn_page *page, lf_state **states, int n, int64_t *out) noexcept


cdef class TransactionPage:
    cdef lf_txn_page *page          # NULL: closed
    cdef str path
    cdef int lock_fd
    cdef int users                  # calls under way without the GIL: close waits for them

    cdef lf_txn_page *enter(self) except NULL
    cdef void leave(self) noexcept
