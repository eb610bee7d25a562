"""Records become finished batches in one buffer, ready to be written.

The buffer is reused: encoding, compression and CRC happen while the bytes are in the cache, and one write
takes them to the file. What is not in use is kept for all partitions together, and the one given back last is
taken first: a producer that goes through a thousand partitions fills the same buffer a thousand times.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint8_t
from libc.stdlib cimport free
from libc.string cimport memset

cimport cython

from logflume import errors

from logflume._native.core cimport *
from logflume._native.gather cimport Gather, stamp_of
from logflume._native.input_columns cimport InputColumn, lf_in_column

__all__ = ["SharedHeaders", "Stage"]

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)
    void *PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)

cdef extern from "lf/record.h" nogil:
    uint8_t *lf_put_bytes(uint8_t *to, const uint8_t *source, int64_t n) noexcept

cdef extern from "lf/fill.h" nogil:
    ctypedef struct lf_fill:
        const lf_in_column *values
        const lf_in_column *keys
        const int64_t *timestamps
        const uint8_t *headers
        int64_t headers_len
        int32_t headers_count
        int64_t now, length, batch_bytes, message_bytes_max
        size_t full_bytes
        lf_codec_ctx *codecs
        int codec, level
        int64_t at, finished, too_large
    void lf_fill_seek(lf_fill *f, int64_t at) noexcept
    int lf_fill_run(lf_fill *f, lf_builder *b) noexcept

cdef enum:
    KEPT_BYTES_MAX = 16 * 1024 * 1024       # of buffers that nobody uses
    KEPT_CODECS_MAX = 16                    # contexts of the codecs: as many as threads compress at once

# The GIL guards them.
cdef Stage kept = None                      # a chain, through `Stage.below`
cdef size_t kept_bytes = 0
cdef lf_codec_ctx *kept_codecs[KEPT_CODECS_MAX]
cdef int kept_codecs_count = 0


cdef Stage take_stage():
    """One that nobody uses: it is the caller's until give_stage()."""
    global kept, kept_bytes
    cdef Stage stage = kept
    if stage is None:
        return Stage.__new__(Stage)
    kept, stage.below = stage.below, None
    kept_bytes -= stage.b.cap
    stage.reset()
    return stage


cdef void give_stage(Stage stage) noexcept:
    global kept, kept_bytes
    if kept_bytes + stage.b.cap <= KEPT_BYTES_MAX:
        kept_bytes += stage.b.cap
        kept, stage.below = stage, kept


cdef lf_codec_ctx *take_codecs() except NULL:
    global kept_codecs_count
    if kept_codecs_count:
        kept_codecs_count -= 1
        return kept_codecs[kept_codecs_count]
    cdef lf_codec_ctx *codecs = lf_codec_ctx_new()
    if codecs == NULL:
        raise MemoryError
    return codecs


cdef void give_codecs(lf_codec_ctx *codecs) noexcept:
    """NULL is allowed."""
    global kept_codecs_count
    if codecs == NULL or kept_codecs_count == KEPT_CODECS_MAX:
        lf_codec_ctx_free(codecs)
        return
    kept_codecs[kept_codecs_count] = codecs
    kept_codecs_count += 1


cdef int raise_status(int status, int64_t size, int64_t limit) except -1:
    """Raises for a status of the builder or a codec."""
    if status == LF_E_NOMEM:
        raise MemoryError
    if status == LF_E_TOO_LARGE:
        raise errors.RecordTooLarge(size=size, limit=limit)
    if status == LF_E_CODEC:
        raise errors.UnsupportedCompression(codec="of this batch")
    raise errors.InvalidRecord(reason=f"status {status} of the compressor")


cdef tuple take_headers(object headers, int64_t *size):
    """One record's headers, checked, as (str, bytes) or (bytes, bytes | None) pairs: put_headers() writes them without
    running any code. `size`: bytes it will write."""
    cdef tuple taken
    cdef int64_t total = 0
    # In nearly all cases they are just that; a name with surrogates or wide characters is no ASCII string.
    taken = tuple(headers) if type(headers) is list else None
    if taken is None or not are_plain(taken):
        taken = _make_plain(headers)
    for pair in taken:
        total += _header_size((<tuple>pair)[0]) + _header_size((<tuple>pair)[1])
    size[0] = total
    return taken


cdef bint are_plain(tuple headers):
    for pair in headers:
        if type(pair) is not tuple or len(<tuple>pair) != 2:
            return False
        if type((<tuple>pair)[0]) is not str or type((<tuple>pair)[1]) is not bytes or not PyUnicode_IS_ASCII((<tuple>pair)[0]):
            return False
    return True


cdef tuple _make_plain(object headers):
    cdef list out = []
    if hasattr(headers, "items"):
        headers = headers.items()
    for pair in headers:
        try:
            given, value = pair
            name = given.encode("utf-8", "surrogateescape") if isinstance(given, str) else bytes(memoryview(given))
        except (TypeError, ValueError):
            raise errors.InvalidRecord(reason=f"a header is a (str, bytes) pair, not {pair!r}") from None
        if value is not None and not PyObject_CheckBuffer(value):
            raise errors.InvalidRecord(reason=f"header {given!r}: the value is bytes or None, not {type(value).__name__}")
        out.append((name, None if value is None else bytes(memoryview(value))))
    return tuple(out)


cdef int _need_bytes(str what, object given) except -1:
    if not PyObject_CheckBuffer(given):
        hint = ": encode it first" if isinstance(given, str) else ""
        raise TypeError(f"a {what} is bytes-like or None, not {type(given).__name__}{hint}")
    return 0


cdef int _hold_buffer(object given, Py_buffer *view) except -1:
    """Its bytes in one piece; those that lie apart (every second of an array) are copied."""
    try:
        PyObject_GetBuffer(given, view, PyBUF_SIMPLE)
    except BufferError:
        PyObject_GetBuffer(bytes(memoryview(given)), view, PyBUF_SIMPLE)
    return 0


cdef bytes plain_bytes(str what, object given):
    """A key or value that is no bytes object, as one."""
    _need_bytes(what, given)
    return bytes(memoryview(given))


cdef int64_t _header_size(object part) noexcept:
    cdef int64_t n
    if part is None:
        return 1
    n = PyUnicode_GET_LENGTH(part) if type(part) is str else PyBytes_GET_SIZE(part)
    return lf_varint_size(n) + n


cdef uint8_t *put_headers(uint8_t *p, tuple headers) noexcept:
    """What take_headers() returned, as Kafka's header records; returns their end."""
    for pair in headers:
        p = _put_header_part(p, (<tuple>pair)[0])
        p = _put_header_part(p, (<tuple>pair)[1])
    return p


cdef uint8_t *_put_header_part(uint8_t *p, object part) noexcept:
    if part is None:
        return lf_put_varint(p, -1)
    if type(part) is str:
        return lf_put_bytes(p, <const uint8_t *>PyUnicode_DATA(part), PyUnicode_GET_LENGTH(part))
    return lf_put_bytes(p, <const uint8_t *>PyBytes_AS_STRING(part), PyBytes_GET_SIZE(part))


@cython.final
cdef class SharedHeaders:
    """Headers that all records of one call have: encoded once. Taken by `append_many` and `send_many` for `headers`.

    Parameters: `pairs`, (str, bytes | None) each; `count`, the records. Raises InvalidRecord.
    """

    def __init__(self, pairs, int64_t count):
        cdef int64_t size = 0
        cdef uint8_t *start
        self.pairs = take_headers(list(pairs), &size)
        self.count = count
        self.encoded = PyBytes_FromStringAndSize(NULL, size)
        start = <uint8_t *>PyBytes_AS_STRING(self.encoded)
        put_headers(start, self.pairs)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        """For a stretch of the records; `index` is a slice."""
        cdef SharedHeaders out = SharedHeaders.__new__(SharedHeaders)
        out.pairs, out.encoded = self.pairs, self.encoded
        out.count = len(range(*index.indices(self.count)))
        return out

    def tolist(self):
        """list: the pairs, once for each record."""
        return [self.pairs] * self.count


@cython.final
@cython.no_gc
cdef class Stage:
    """Not thread-safe: whoever took it (take_stage) owns it."""

    def __cinit__(self):
        self.level = LF_LEVEL_DEFAULT
        self.batch_bytes = 65536
        self.max_message_bytes = 1048588
        self.full_bytes = 256 * 1024
        lf_builder_reset(&self.b)

    def __dealloc__(self):
        free(self.b.buf)

    cdef void reset(self) noexcept:
        lf_builder_reset(&self.b)
        self.records = 0

    cdef int finish(self) except -1:
        """Closes the open batch."""
        cdef int32_t count = self.b.count
        cdef size_t start = self.b.start
        cdef lf_codec_ctx *codecs = NULL
        cdef int rc
        if not count:
            return 0
        if not self.codec and <int64_t>(self.b.len - start) < GIL_BYTES:
            rc = lf_builder_finish(&self.b, NULL, 0, 0)
        else:
            if self.codec:
                codecs = take_codecs()
            with nogil:
                rc = lf_builder_finish(&self.b, codecs, self.codec, self.level)
            give_codecs(codecs)
        if rc:
            raise_status(rc, self.b.len - start, self.max_message_bytes)
        if <int64_t>(self.b.start - start) > self.max_message_bytes:
            raise errors.RecordTooLarge(size=self.b.start - start, limit=self.max_message_bytes)
        self.records += count
        return 0

    cdef int put(self, object value, object key, object headers, int64_t timestamp) except -1:
        """One record into the open batch, which is closed first when it would grow beyond batch_bytes."""
        cdef Py_buffer vb, kb
        cdef bint has_vb = False, has_kb = False
        cdef const uint8_t *v = NULL
        cdef const uint8_t *k = NULL
        cdef int64_t vn = -1, kn = -1
        cdef tuple taken = ()
        cdef int64_t headers_len = 0
        cdef int rc
        if headers:
            taken = take_headers(headers, &headers_len)
        try:
            if PyBytes_CheckExact(value):
                v = <const uint8_t *>PyBytes_AS_STRING(value)
                vn = PyBytes_GET_SIZE(value)
            elif value is not None:
                _need_bytes("value", value)
                _hold_buffer(value, &vb)
                has_vb = True
                v = <const uint8_t *>vb.buf
                vn = vb.len
            if PyBytes_CheckExact(key):
                k = <const uint8_t *>PyBytes_AS_STRING(key)
                kn = PyBytes_GET_SIZE(key)
            elif key is not None:
                _need_bytes("key", key)
                _hold_buffer(key, &kb)
                has_kb = True
                k = <const uint8_t *>kb.buf
                kn = kb.len
            self._make_room((vn if vn > 0 else 0) + (kn if kn > 0 else 0) + headers_len)
            rc = lf_builder_put(&self.b, timestamp, k, <int32_t>kn, v, <int32_t>vn, headers_len, <int32_t>len(taken))
            if rc:
                raise_status(rc, vn, self.max_message_bytes)
            put_headers(self.b.buf + self.b.len - headers_len, taken)
        finally:
            if has_vb:
                PyBuffer_Release(&vb)
            if has_kb:
                PyBuffer_Release(&kb)
        return 0

    cdef int _make_room(self, int64_t payload) except -1:
        if payload > INT32_MAX // 2 or (not self.codec and payload + LF_BATCH_RECORDS_AT + 36 > self.max_message_bytes):
            raise errors.RecordTooLarge(size=payload, limit=self.max_message_bytes)
        if self.b.count and <int64_t>lf_builder_size_with(&self.b, payload) > self.batch_bytes:
            self.finish()
        return 0

    @cython.boundscheck(True)   # the buffer is compressed without the GIL: the lists may be others by then
    cdef int64_t fill_objects(self, object values, object keys, object timestamps, object headers, int64_t now,
                              int64_t start, int64_t stop) except -1:
        """`values`, `keys`: lists or tuples (`keys` may be None). Plain ones go in by the hundred, without the GIL."""
        cdef Gather gather = Gather.__new__(Gather)
        cdef int64_t i = start, n
        while i < stop and self.b.start < self.full_bytes:
            # About what fills the buffer: what is gathered and not put is gathered again.
            n = gather.take(values, keys, timestamps, headers, now, i, stop,
                            <int64_t>(self.full_bytes - self.b.start) + self.batch_bytes)
            if n:
                i += self._fill(&gather.values, &gather.keys if keys is not None else NULL, gather.stamps, now, n, 0)
                continue
            when = timestamps[i] if timestamps is not None else None
            self.put(values[i], keys[i] if keys is not None else None, headers[i] if headers is not None else None,
                     now if when is None else stamp_of(when))
            i += 1
        gather.release()
        return i

    cdef int64_t fill_columns(self, InputColumn values, InputColumn keys, const int64_t *timestamps, SharedHeaders headers,
                              int64_t now, int64_t start, int64_t stop) except -1:
        """As fill_objects, over columns."""
        return self._fill(values.chunks, keys.chunks if keys is not None else NULL, timestamps, now, stop, start,
                          headers)

    cdef int64_t _fill(self, const lf_in_column *values, const lf_in_column *keys, const int64_t *timestamps, int64_t now,
                       int64_t length, int64_t start, SharedHeaders headers=None) except -1:
        cdef lf_fill f
        cdef int rc
        memset(&f, 0, sizeof(f))
        f.values = values
        f.keys = keys
        f.timestamps = timestamps
        if headers is not None:
            f.headers = <const uint8_t *>PyBytes_AS_STRING(headers.encoded)
            f.headers_len = PyBytes_GET_SIZE(headers.encoded)
            f.headers_count = <int32_t>len(headers.pairs)
        f.now = now
        f.length = length
        f.batch_bytes = self.batch_bytes
        f.message_bytes_max = self.max_message_bytes
        f.full_bytes = self.full_bytes
        f.codec = self.codec
        f.level = self.level
        f.codecs = take_codecs() if self.codec else NULL
        lf_fill_seek(&f, start)
        with nogil:
            rc = lf_fill_run(&f, &self.b)
        give_codecs(f.codecs)
        self.records += f.finished
        if rc:
            raise_status(rc, f.too_large, self.max_message_bytes)
        return f.at
