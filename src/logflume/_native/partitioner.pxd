"""Which partition a key belongs to: declarations of lf/partitioner.h; nothing to import at run time."""

from libc.stdint cimport int32_t


cdef extern from "lf/partitioner.h" nogil:
    enum:
        LF_PARTITION_MURMUR2
        LF_PARTITION_XXH3
    int32_t lf_partition_of(int partitioner, const void *key, size_t n, int32_t partitions) noexcept
