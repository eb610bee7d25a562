"""Hashes and checksums over whole buffers: bytes enter, integers leave."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint64_t

__all__ = ["crc32c", "murmur2", "xxh3_64", "xxh3_128"]

# Above this many bytes a hash takes longer than giving the GIL away and back (77 ns; isa-l and XXH3
# do more than 8 bytes a nanosecond).
cdef Py_ssize_t NOGIL_FROM = 16384


def murmur2(data):
    """Kafka's murmur2 of `data` (seed 0x9747b28c), as Java's signed 32-bit integer.

    Kafka's default partitioner takes `(murmur2(key) & 0x7fffffff) % partitions`.
    """
    cdef Py_buffer view
    cdef uint32_t value
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    if view.len < NOGIL_FROM:
        value = lf_murmur2(view.buf, view.len)
    else:
        with nogil:
            value = lf_murmur2(view.buf, view.len)
    PyBuffer_Release(&view)
    return <int32_t> value


def crc32c(data, uint32_t crc=0):
    """CRC-32C of `data`; `crc` is that of the bytes before it, so `crc32c(b, crc32c(a)) == crc32c(a + b)`."""
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    if view.len < NOGIL_FROM:
        crc = lf_crc32c(crc, view.buf, view.len)
    else:
        with nogil:
            crc = lf_crc32c(crc, view.buf, view.len)
    PyBuffer_Release(&view)
    return crc


def xxh3_64(data, uint64_t seed=0):
    """XXH3 of `data`, 64 bits, unsigned."""
    cdef Py_buffer view
    cdef uint64_t value
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    if view.len < NOGIL_FROM:
        value = XXH3_64bits_withSeed(view.buf, view.len, seed)
    else:
        with nogil:
            value = XXH3_64bits_withSeed(view.buf, view.len, seed)
    PyBuffer_Release(&view)
    return value


def xxh3_128(data, uint64_t seed=0):
    """XXH3 of `data`, 128 bits, unsigned (the high half first, as xxhash prints it)."""
    cdef Py_buffer view
    cdef XXH128_hash_t value
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    if view.len < NOGIL_FROM:
        value = XXH3_128bits_withSeed(view.buf, view.len, seed)
    else:
        with nogil:
            value = XXH3_128bits_withSeed(view.buf, view.len, seed)
    PyBuffer_Release(&view)
    return (<object> value.high64 << 64) | value.low64
