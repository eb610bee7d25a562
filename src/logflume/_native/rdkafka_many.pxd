"""Many records at once to a cluster."""

from libc.stdint cimport int32_t, int64_t

from logflume._native.append_input cimport AppendInput
from logflume._native.input_columns cimport lf_in_column
from logflume._native.rdkafka cimport rd_kafka_message_t
from logflume._native.rdkafka_producer cimport ProducerHandle, RemoteTopic


cdef extern from "lf/rdkafka_settle.h" nogil:
    ctypedef struct lf_rd_group:
        pass


cdef class ManyRecords:
    cdef ProducerHandle handle
    cdef RemoteTopic topic
    cdef int32_t partition
    cdef AppendInput given
    cdef lf_rd_group *group
    cdef double deadline

    cdef int _put_all(self) except? -1
    cdef int _put_columns(self, const lf_in_column *values, const lf_in_column *keys, int64_t n) except? -1
    cdef int _put_messages(self, rd_kafka_message_t *messages, int32_t n, int flags) except? -1
    cdef int _wait(self) except -1
