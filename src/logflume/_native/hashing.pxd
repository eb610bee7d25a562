"""Hashes and checksums: the C kernels for other native modules."""

from libc.stdint cimport int32_t, uint32_t, uint64_t


cdef extern from "lf/murmur2.h" nogil:
    uint32_t lf_murmur2(const void *data, size_t n) noexcept
    int32_t lf_murmur2_partition(const void *key, size_t n, int32_t partitions) noexcept


cdef extern from "lf/crc32c.h" nogil:
    uint32_t lf_crc32c(uint32_t crc, const void *data, size_t n) noexcept


cdef extern from "xxhash.h" nogil:
    ctypedef struct XXH128_hash_t:
        uint64_t low64
        uint64_t high64

    uint64_t XXH3_64bits_withSeed(const void *data, size_t n, uint64_t seed) noexcept
    XXH128_hash_t XXH3_128bits_withSeed(const void *data, size_t n, uint64_t seed) noexcept
