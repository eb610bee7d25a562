"""A producer of librdkafka: single records, and columns through its batch call."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from logflume._native.rdkafka cimport Handle, rd_kafka_topic_t


cdef extern from "lf/rdkafka_settle.h" nogil:
    ctypedef struct lf_rd_report:
        void *whose
        int err
        int32_t partition
        int64_t offset, timestamp

cdef enum:
    BY_LIBRDKAFKA = 0       # of PARTITIONERS: murmur2


cdef class RemoteTopic:
    cdef rd_kafka_topic_t *rkt
    cdef readonly str name
    cdef readonly int32_t partitions
    cdef readonly double looked         # time.monotonic() of when `partitions` was asked for
    cdef int32_t turn                   # the partition that is next, where it is chosen here


cdef class ProducerHandle(Handle):
    cdef int partitioner
    cdef double block_s                 # how long a call waits for room
    cdef bint lingers
    cdef object changed                 # threading.Condition: told after each batch of reports
    cdef int waiting
    cdef object failure                 # the first that nobody asked for
    cdef int64_t sent, settled          # deliveries
    cdef lf_rd_report *reports

    cdef int32_t choose(self, RemoteTopic topic, const uint8_t *key, int64_t length) noexcept nogil
    cdef int put(self, RemoteTopic topic, const void *value, int64_t n, const void *key, int64_t kn, object headers,
                 int32_t partition, int64_t stamp, void *whose) except? -1
    cdef int put_within(self, RemoteTopic topic, object value, object key, object headers, int32_t partition,
                        object timestamp, void *whose, double seconds) except -1
    cdef int tell_loops(self, dict loops) except -1
    cdef int wait_for_room(self, double deadline) except -1
