"""Kafka's compression codecs over whole buffers.

Bytes enter, bytes leave, the GIL is released meanwhile. For tools, tests and callers outside the hot
path: the engine calls lf_compress and lf_decompress itself.
"""

from _thread import _local as ThreadLocal

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.limits cimport INT_MAX
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc

from logflume.errors import (
    CorruptRecord,
    DecompressionTooLarge,
    InvalidConfig,
    RecordTooLarge,
    UnsupportedCompression,
)

__all__ = ["CODECS", "MAX_SIZE_DEFAULT", "compress", "decompress"]

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
MAX_SIZE_DEFAULT = 256 << 20

_REASONS = {
    LF_E_CORRUPT: "is not valid data of this codec",
    LF_E_TRUNCATED: "ends too early",
}


cdef class _Context:
    """One thread's working memory. Reached through `_contexts` only, so never by two threads."""

    cdef lf_codec_ctx *ctx

    def __cinit__(self):
        self.ctx = lf_codec_ctx_new()
        if self.ctx == NULL:
            raise MemoryError

    def __dealloc__(self):
        lf_codec_ctx_free(self.ctx)


cdef object _contexts = ThreadLocal()


cdef _Context _context():
    try:
        return _contexts.value
    except AttributeError:
        _contexts.value = context = _Context()
        return context


def compress(int codec, data, level=None):
    """Compress `data` the way Kafka's clients do.

    Args:
        codec: 0 none, 1 gzip, 2 snappy (in snappy-java's framing), 3 lz4, 4 zstd.
        data: any object with a contiguous buffer, at most 2 GiB.
        level: Kafka's numbers: gzip 1 to 9, lz4 1 to 17 (9 is the fast compressor), zstd -131072 to 22.
            None is the codec's default; none and snappy have no levels.

    Raises:
        UnsupportedCompression: no such codec.
        InvalidConfig: the codec has no such level.
        RecordTooLarge: more than 2 GiB.
    """
    cdef int wanted = _level(codec, level)
    cdef _Context context = _context()
    cdef Py_buffer view
    cdef uint8_t *packed
    cdef size_t cap, size = 0
    cdef int status
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        cap = lf_compress_bound(codec, view.len)
        packed = <uint8_t *> malloc(cap + 1)
        if packed == NULL:
            raise MemoryError
        try:
            with nogil:
                status = lf_compress(
                    context.ctx, codec, wanted, <const uint8_t *> view.buf, view.len, packed, cap, &size)
            if status == LF_E_TOO_LARGE:
                raise RecordTooLarge(size=view.len, limit=INT_MAX, property="a compressed batch")
            if status != LF_OK:
                raise MemoryError
            return PyBytes_FromStringAndSize(<char *> packed, size)
        finally:
            free(packed)
    finally:
        PyBuffer_Release(&view)


def decompress(int codec, data, *, max_size=MAX_SIZE_DEFAULT):
    """Unpack `data`, all of which must belong to the compressed data.

    Args:
        codec: as in `compress`; snappy is read framed or raw, gzip, lz4 and zstd in any number of frames.
        data: any object with a contiguous buffer.
        max_size: the most bytes that may come out.

    Raises:
        UnsupportedCompression: no such codec.
        CorruptRecord: not valid data of this codec, or cut off.
        DecompressionTooLarge: more than `max_size` would come out; that much is never allocated.
        RecordTooLarge: `data` is more than 2 GiB.
    """
    cdef _Context context = _context()
    cdef Py_buffer view
    cdef uint8_t *plain = NULL
    cdef size_t cap = 0, size = 0, limit = max_size
    cdef int status
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        with nogil:
            status = lf_decompress(
                context.ctx, codec, <const uint8_t *> view.buf, view.len, &plain, &cap, limit, &size)
        if status == LF_OK:
            return PyBytes_FromStringAndSize(<char *> plain, size)
        if status == LF_E_CODEC:
            raise UnsupportedCompression(codec=codec)
        if status == LF_E_BOMB:
            raise DecompressionTooLarge(size=limit + 1, limit=limit)
        if status == LF_E_TOO_LARGE:
            raise RecordTooLarge(size=view.len, limit=INT_MAX, property="a compressed batch")
        if status == LF_E_NOMEM:
            raise MemoryError
        raise CorruptRecord(path="<buffer>", position=0, reason=f"{CODECS[codec]}: {_REASONS[status]}")
    finally:
        free(plain)
        PyBuffer_Release(&view)


cdef int _level(int codec, level) except? -1:
    """The level as the C core takes it; raises for a codec or level that there is not."""
    if codec < 0 or codec >= LF_CODEC_COUNT:
        raise UnsupportedCompression(codec=codec)
    if level is None:
        return LF_LEVEL_DEFAULT
    name = CODECS[codec]
    # Out of a C int's range is out of every codec's range.
    if not -INT_MAX <= level <= INT_MAX or lf_codec_check_level(codec, level) != LF_OK:
        raise InvalidConfig(
            name=f"compression.{name}.level", value=level, reason=f"{name} has no such level")
    return level
