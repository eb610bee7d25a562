"""A consumer of librdkafka whose messages become RecordBatches."""

from libc.stdint cimport int32_t, int64_t

from logflume._native.columns cimport RecordBatch
from logflume._native.rdkafka cimport (
    Handle,
    Librdkafka,
    rd_kafka_consumer_group_metadata_t,
    rd_kafka_message_t,
    rd_kafka_topic_t,
)


cdef class ConsumerHandle(Handle):
    cdef rd_kafka_message_t **messages      # room for what one call takes
    cdef int32_t cap
    cdef bint leaving                       # rebalances are answered where they come up
    cdef rd_kafka_topic_t *last_rkt         # its name is `last_name`
    cdef str last_name
    cdef dict names
    cdef list rebalances                    # (revoked, [(topic, partition)]) not taken over yet

    cdef str name_of(self, rd_kafka_topic_t *rkt)
    cdef RecordBatch to_batch(self, int32_t n)
    cdef int note_events(self, int32_t n, list events) except -1
    cdef int call_with_list(self, int which, object places, int timeout_ms, list out) except -1


cdef class GroupPosition:
    cdef Librdkafka library
    cdef rd_kafka_consumer_group_metadata_t *metadata
