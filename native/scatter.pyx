"""Keyed records spread over a stage for each partition."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

cimport cython

from logflume._native.core cimport lf_builder, lf_builder_put, lf_builder_size_with, lf_now_ms
from logflume._native.input_columns cimport InputColumn, as_column, as_sequence, as_timestamps, lf_in_column, lf_in_get
from logflume._native.partitioner cimport lf_partition_of
from logflume._native.staging cimport Stage, raise_status

__all__ = ["Scatter"]

cdef extern from "Python.h":
    PyObject **PySequence_Fast_ITEMS(object o)
    Py_ssize_t PySequence_Fast_GET_SIZE(object o)


@cython.final
cdef class Scatter:
    """One call's records, and how far they are put. `keyless`: the partition of records without a key."""

    def __init__(self, values, keys, timestamps, headers, int partitioner, int32_t keyless):
        self.partitioner = partitioner
        self.keyless = keyless
        self.now = lf_now_ms()
        if headers is None:
            self.value_column = as_column(values)
            if self.value_column is not None:
                self.key_column = as_column(keys, "keys")
                if self.key_column is None:
                    self.value_column = None
        if self.value_column is not None:
            self.length = self.value_column.length
            _same_length("keys", self.key_column.length, self.length)
            if timestamps is not None:
                self.stamps = as_timestamps(timestamps)
                _same_length("timestamps", self.stamps.shape[0], self.length)
            return
        self.values = as_sequence(values)
        self.keys = as_sequence(keys, "keys")
        self.length = len(self.values)
        _same_length("keys", len(self.keys), self.length)
        if timestamps is not None:
            self.timestamps = timestamps if isinstance(timestamps, (list, tuple)) else as_timestamps(timestamps).tolist()
            _same_length("timestamps", len(self.timestamps), self.length)
        if headers is not None:
            self.headers = headers
            _same_length("headers", len(headers), self.length)

    cdef int32_t run(self, list stages) except -2:
        if self.at >= self.length:
            return -1
        return self._run_columns(stages) if self.value_column is not None else self._run_objects(stages)

    cdef int32_t _run_objects(self, list stages) except -2:
        cdef int32_t count = <int32_t>len(stages), p
        cdef Stage stage
        cdef object value, key, headers
        cdef int64_t when = self.now
        cdef int rc
        cdef size_t payload
        while self.at < self.length:
            # Looked up anew each time: closing a batch lets other threads run, and they may change a list.
            if self.at >= PySequence_Fast_GET_SIZE(self.values) or self.at >= PySequence_Fast_GET_SIZE(self.keys):
                raise RuntimeError("the list was changed while it was being appended")
            value = <object>PySequence_Fast_ITEMS(self.values)[self.at]
            key = <object>PySequence_Fast_ITEMS(self.keys)[self.at]
            if self.timestamps is not None:
                item = self.timestamps[self.at]
                when = self.now if item is None else item
            headers = self.headers[self.at] if self.headers is not None else None
            if key is not None and not PyBytes_CheckExact(key):
                if isinstance(key, str):
                    raise TypeError("a key is bytes-like or None, not str: encode it first")
                key = bytes(memoryview(key))
            p = self.keyless
            if key is not None:
                p = lf_partition_of(self.partitioner, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), count)
            stage = <Stage>stages[p]
            if stage.b.start >= stage.full_bytes:
                return p
            if key is None or headers or not PyBytes_CheckExact(value):
                stage.put(value, key, headers, when)
            else:
                payload = PyBytes_GET_SIZE(value) + PyBytes_GET_SIZE(key)
                if <int64_t>payload + 128 > stage.max_message_bytes or <int64_t>lf_builder_size_with(&stage.b, payload) > stage.batch_bytes:
                    stage._make_room(payload)
                rc = lf_builder_put(&stage.b, when, <const uint8_t *>PyBytes_AS_STRING(key), <int32_t>PyBytes_GET_SIZE(key),
                                    <const uint8_t *>PyBytes_AS_STRING(value), <int32_t>PyBytes_GET_SIZE(value), NULL, 0, 0)
                if rc:
                    raise_status(rc, payload, stage.max_message_bytes)
            self.at += 1
        return -1

    cdef int32_t _run_columns(self, list stages) except -2:
        cdef int32_t count = <int32_t>len(stages), p = 0, i, vc = 0, kc = 0
        cdef int64_t vi = self.at, ki = self.at, vn, kn = -1, payload = 0, when = self.now
        cdef const uint8_t *v = NULL
        cdef const uint8_t *k = NULL
        cdef lf_in_column *values = self.value_column.chunks
        cdef lf_in_column *keys = self.key_column.chunks
        cdef const int64_t *stamps = &self.stamps[0] if self.stamps is not None else NULL
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
        while vi >= values[vc].n:
            vi -= values[vc].n
            vc += 1
        while ki >= keys[kc].n:
            ki -= keys[kc].n
            kc += 1
        try:
            while self.at < self.length:
                room = True
                with nogil:
                    while self.at < self.length:
                        while vi >= values[vc].n:
                            vc += 1
                            vi = 0
                        while ki >= keys[kc].n:
                            kc += 1
                            ki = 0
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
                            when = stamps[self.at]
                        rc = lf_builder_put(b, when, k, <int32_t>kn, v, <int32_t>vn, NULL, 0, 0)
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
                        when = stamps[self.at]
                    rc = lf_builder_put(&stage.b, when, k, <int32_t>kn, v, <int32_t>vn, NULL, 0, 0)
                    if rc:
                        raise_status(rc, payload, limit)
                    self.at += 1
                    vi += 1
                    ki += 1
        finally:
            free(builders)
        return -1


cdef int _same_length(str what, int64_t got, int64_t wanted) except -1:
    if got != wanted:
        raise ValueError(f"{got} {what} for {wanted} values")
    return 0
