"""Keyed records spread over a stage for each partition."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

cimport cython

from logflume._native.append_input cimport AppendInput
from logflume._native.core cimport lf_builder, lf_builder_put, lf_builder_size_with, lf_now_ms
from logflume._native.gather cimport Gather, stamp_of
from logflume._native.input_columns cimport lf_in_column, lf_in_get
from logflume._native.partitioner cimport lf_partition_of
from logflume._native.staging cimport Stage, plain_bytes, raise_status

__all__ = ["Scatter"]

cdef int64_t GATHER_BYTES = 256 * 1024


@cython.final
cdef class Scatter:
    """One call's records, and how far they are put. `keyless`: the partition of records without a key."""

    def __init__(self, values, keys, timestamps, headers, int partitioner, int32_t keyless):
        self.partitioner = partitioner
        self.keyless = keyless
        self.now = lf_now_ms()
        self.given = AppendInput(values, keys, timestamps, headers)
        self.length = self.given.length

    cdef int32_t run(self, list stages) except -2:
        if self.at >= self.length:
            return -1
        if self.given.value_column is None:
            return self._run_objects(stages)
        return self._run_columns(stages, self.given.value_column.chunks, self.given.key_column.chunks, self.given.stamps_at(),
                                 0, self.length)

    @cython.boundscheck(True)   # stages are compressed without the GIL: the lists may be others by then
    cdef int32_t _run_objects(self, list stages) except -2:
        cdef Gather gather = Gather.__new__(Gather)
        cdef AppendInput given = self.given
        cdef int64_t n
        cdef int32_t full
        cdef object key
        cdef Stage stage
        while self.at < self.length:
            n = gather.take(given.values, given.keys, given.timestamps, given.headers, self.now, self.at, self.length,
                            GATHER_BYTES)
            if n:
                full = self._run_columns(stages, &gather.values, &gather.keys, gather.stamps, self.at, self.at + n)
                if full >= 0:
                    return full
                continue
            # One with headers, or with other bytes-likes than bytes.
            key = given.keys[self.at]
            full = self.keyless
            if key is not None:
                key = plain_bytes("key", key)
                full = lf_partition_of(self.partitioner, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), <int32_t>len(stages))
            stage = <Stage>stages[full]
            if stage.b.start >= stage.full_bytes:
                return full
            when = given.timestamps[self.at] if given.timestamps is not None else None
            stage.put(given.values[self.at], key, given.headers[self.at] if given.headers is not None else None,
                      self.now if when is None else stamp_of(when))
            self.at += 1
        return -1

    cdef int32_t _run_columns(self, list stages, const lf_in_column *values, const lf_in_column *keys, const int64_t *stamps,
                              int64_t first, int64_t stop) except -2:
        """Records first..stop, which the columns begin with; goes on at self.at."""
        cdef int32_t count = <int32_t>len(stages), p = 0, i, vc = 0, kc = 0
        cdef int64_t vi = self.at - first, ki = self.at - first, vn, kn = -1, payload = 0, when = self.now
        cdef const uint8_t *v = NULL
        cdef const uint8_t *k = NULL
        cdef Stage stage
        cdef lf_builder *b
        cdef bint room
        cdef int rc = 0
        cdef lf_builder **builders = <lf_builder **>malloc(count * sizeof(lf_builder *))
        if builders == NULL:
            raise MemoryError
        stage = <Stage>stages[0]
        # All stages are of one topic: the same limits.
        cdef int64_t batch_bytes = stage.batch_bytes, limit = stage.max_message_bytes - 128
        cdef size_t full = stage.full_bytes
        for i in range(count):
            builders[i] = &(<Stage>stages[i]).b
        try:
            while self.at < stop:
                room = True
                with nogil:
                    while self.at < stop:
                        while vi >= values[vc].n:
                            vi -= values[vc].n
                            vc += 1
                        while ki >= keys[kc].n:
                            ki -= keys[kc].n
                            kc += 1
                        vn = lf_in_get(&values[vc], vi, &v)
                        kn = lf_in_get(&keys[kc], ki, &k)
                        p = lf_partition_of(self.partitioner, k, kn, count) if kn >= 0 else self.keyless
                        b = builders[p]
                        payload = (vn if vn > 0 else 0) + (kn if kn > 0 else 0)
                        if b.start >= full or payload > limit or (
                                b.count and <int64_t>lf_builder_size_with(b, payload) > batch_bytes):
                            room = False
                            break
                        if stamps != NULL:
                            when = stamps[self.at - first]
                        rc = lf_builder_put(b, when, k, <int32_t>kn, v, <int32_t>vn, 0, 0)
                        if rc:
                            break
                        self.at += 1
                        vi += 1
                        ki += 1
                if rc:
                    raise_status(rc, payload, limit)
                if not room:
                    stage = <Stage>stages[p]
                    if stage.b.start >= full:
                        return p
                    if payload <= limit:
                        stage.finish()
                        continue
                    stage._make_room(payload)
                    if stamps != NULL:
                        when = stamps[self.at - first]
                    rc = lf_builder_put(&stage.b, when, k, <int32_t>kn, v, <int32_t>vn, 0, 0)
                    if rc:
                        raise_status(rc, payload, limit)
                    self.at += 1
                    vi += 1
                    ki += 1
        finally:
            free(builders)
        return -1
