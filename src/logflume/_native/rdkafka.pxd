"""librdkafka, found at run time: its functions, and the base of producer and consumer handles."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from logflume._native.core cimport lf_columns


cdef extern from "lf/rdkafka.h" nogil:
    enum:
        LF_RD_PRODUCER
        LF_RD_CONSUMER
        LF_RD_PARTITION_ANY
        LF_RD_FLAG_COPY
        LF_RD_FLAG_PARTITION
        LF_RD_V_RKT
        LF_RD_V_PARTITION
        LF_RD_V_VALUE
        LF_RD_V_KEY
        LF_RD_V_OPAQUE
        LF_RD_V_MSGFLAGS
        LF_RD_V_TIMESTAMP
        LF_RD_V_HEADERS
        LF_RD_EVENT_DR
        LF_RD_CONF_OK
        LF_RD_CONF_UNKNOWN
        LF_RD_ERR_REVOKE
        LF_RD_ERR_ASSIGN
        LF_RD_ERR_PARTITION_EOF
        LF_RD_ERR_QUEUE_FULL
    ctypedef struct rd_kafka_t:
        pass
    ctypedef struct rd_kafka_topic_t:
        pass
    ctypedef struct rd_kafka_conf_t:
        pass
    ctypedef struct rd_kafka_topic_conf_t:
        pass
    ctypedef struct rd_kafka_queue_t:
        pass
    ctypedef struct rd_kafka_event_t:
        pass
    ctypedef struct rd_kafka_headers_t:
        pass
    ctypedef struct rd_kafka_error_t:
        pass
    ctypedef struct rd_kafka_consumer_group_metadata_t:
        pass
    ctypedef struct rd_kafka_message_t:
        int err
        rd_kafka_topic_t *rkt
        int32_t partition
        void *payload
        size_t len
        void *key
        size_t key_len
        int64_t offset
        void *_private
    ctypedef struct rd_kafka_topic_partition_t:
        char *topic
        int32_t partition
        int64_t offset
        void *metadata
        size_t metadata_size
        int err
    ctypedef struct rd_kafka_topic_partition_list_t:
        int cnt
        rd_kafka_topic_partition_t *elems
    ctypedef struct lf_rd_vu_mem:
        void *mem
        size_t size
    ctypedef union lf_rd_vu_u:
        rd_kafka_topic_t *rkt
        int i
        int32_t i32
        int64_t i64
        lf_rd_vu_mem mem
        rd_kafka_headers_t *headers
        void *ptr
    ctypedef struct rd_kafka_vu_t:
        int vtype
        lf_rd_vu_u u
    ctypedef struct rd_kafka_metadata_broker_t:
        int32_t id
        char *host
        int port
    ctypedef struct rd_kafka_metadata_partition_t:
        int32_t id
        int err
        int32_t leader
        int replica_cnt
        int32_t *replicas
        int isr_cnt
        int32_t *isrs
    ctypedef struct rd_kafka_metadata_topic_t:
        char *topic
        int partition_cnt
        rd_kafka_metadata_partition_t *partitions
        int err
    ctypedef struct rd_kafka_metadata_t:
        int broker_cnt
        rd_kafka_metadata_broker_t *brokers
        int topic_cnt
        rd_kafka_metadata_topic_t *topics

    ctypedef struct lf_rd_api:
        int (*version)() noexcept nogil
        const char *(*err2name)(int) noexcept nogil
        const char *(*err2str)(int) noexcept nogil
        int (*fatal_error)(rd_kafka_t *, char *, size_t) noexcept nogil
        int (*error_code)(const rd_kafka_error_t *) noexcept nogil
        const char *(*error_string)(const rd_kafka_error_t *) noexcept nogil
        int (*error_is_retriable)(const rd_kafka_error_t *) noexcept nogil
        int (*error_txn_requires_abort)(const rd_kafka_error_t *) noexcept nogil
        void (*error_destroy)(rd_kafka_error_t *) noexcept nogil
        rd_kafka_conf_t *(*conf_new)() noexcept nogil
        void (*conf_destroy)(rd_kafka_conf_t *) noexcept nogil
        int (*conf_set)(rd_kafka_conf_t *, const char *, const char *, char *, size_t) noexcept nogil
        const char **(*conf_dump)(rd_kafka_conf_t *, size_t *) noexcept nogil
        const char **(*topic_conf_dump)(rd_kafka_topic_conf_t *, size_t *) noexcept nogil
        void (*conf_dump_free)(const char **, size_t) noexcept nogil
        rd_kafka_topic_conf_t *(*topic_conf_new)() noexcept nogil
        void (*topic_conf_destroy)(rd_kafka_topic_conf_t *) noexcept nogil
        void (*conf_set_events)(rd_kafka_conf_t *, int) noexcept nogil
        void (*conf_set_opaque)(rd_kafka_conf_t *, void *) noexcept nogil
        void *(*opaque)(const rd_kafka_t *) noexcept nogil
        void (*conf_set_rebalance_cb)(rd_kafka_conf_t *, void (*)(rd_kafka_t *, int, rd_kafka_topic_partition_list_t *,
                                                                  void *) noexcept nogil) noexcept nogil
        void (*conf_set_error_cb)(rd_kafka_conf_t *,
                                  void (*)(rd_kafka_t *, int, const char *, void *) noexcept nogil) noexcept nogil
        void (*conf_set_log_cb)(rd_kafka_conf_t *, void (*)(const rd_kafka_t *, int, const char *, const char *)
                                noexcept nogil) noexcept nogil
        int (*set_log_queue)(rd_kafka_t *, rd_kafka_queue_t *) noexcept nogil
        rd_kafka_t *(*make "new")(int, rd_kafka_conf_t *, char *, size_t) noexcept nogil
        void (*destroy_flags)(rd_kafka_t *, int) noexcept nogil
        int (*metadata)(rd_kafka_t *, int, rd_kafka_topic_t *, const rd_kafka_metadata_t **, int) noexcept nogil
        void (*metadata_destroy)(const rd_kafka_metadata_t *) noexcept nogil
        rd_kafka_topic_t *(*topic_new)(rd_kafka_t *, const char *, rd_kafka_topic_conf_t *) noexcept nogil
        void (*topic_destroy)(rd_kafka_topic_t *) noexcept nogil
        const char *(*topic_name)(const rd_kafka_topic_t *) noexcept nogil
        rd_kafka_topic_partition_list_t *(*topic_partition_list_new)(int) noexcept nogil
        void (*topic_partition_list_destroy)(rd_kafka_topic_partition_list_t *) noexcept nogil
        rd_kafka_topic_partition_t *(*topic_partition_list_add)(rd_kafka_topic_partition_list_t *, const char *,
                                                                int32_t) noexcept nogil
        rd_kafka_queue_t *(*queue_get_main)(rd_kafka_t *) noexcept nogil
        rd_kafka_queue_t *(*queue_get_consumer)(rd_kafka_t *) noexcept nogil
        void (*queue_destroy)(rd_kafka_queue_t *) noexcept nogil
        void (*queue_yield)(rd_kafka_queue_t *) noexcept nogil
        void (*queue_io_event_enable)(rd_kafka_queue_t *, int, const void *, size_t) noexcept nogil
        rd_kafka_event_t *(*queue_poll)(rd_kafka_queue_t *, int) noexcept nogil
        int (*event_type)(const rd_kafka_event_t *) noexcept nogil
        const rd_kafka_message_t *(*event_message_next)(rd_kafka_event_t *) noexcept nogil
        void (*event_destroy)(rd_kafka_event_t *) noexcept nogil
        int (*poll_set_consumer)(rd_kafka_t *) noexcept nogil
        void (*stop_serving "yield")(rd_kafka_t *) noexcept nogil
        ssize_t (*consume_batch_queue)(rd_kafka_queue_t *, int, rd_kafka_message_t **, size_t) noexcept nogil
        void (*message_destroy)(rd_kafka_message_t *) noexcept nogil
        const char *(*message_errstr)(const rd_kafka_message_t *) noexcept nogil
        rd_kafka_headers_t *(*headers_new)(size_t) noexcept nogil
        void (*headers_destroy)(rd_kafka_headers_t *) noexcept nogil
        int (*header_add)(rd_kafka_headers_t *, const char *, ssize_t, const void *, ssize_t) noexcept nogil
        int64_t (*message_timestamp)(const rd_kafka_message_t *, int *) noexcept nogil
        int (*subscribe)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *) noexcept nogil
        int (*unsubscribe)(rd_kafka_t *) noexcept nogil
        int (*assign)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *) noexcept nogil
        rd_kafka_error_t *(*incremental_assign)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *) noexcept nogil
        rd_kafka_error_t *(*incremental_unassign)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *) noexcept nogil
        int (*assignment_lost)(rd_kafka_t *) noexcept nogil
        const char *(*rebalance_protocol)(rd_kafka_t *) noexcept nogil
        int (*pause_partitions)(rd_kafka_t *, rd_kafka_topic_partition_list_t *) noexcept nogil
        int (*resume_partitions)(rd_kafka_t *, rd_kafka_topic_partition_list_t *) noexcept nogil
        rd_kafka_error_t *(*seek_partitions)(rd_kafka_t *, rd_kafka_topic_partition_list_t *, int) noexcept nogil
        int (*commit)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *, int) noexcept nogil
        int (*committed)(rd_kafka_t *, rd_kafka_topic_partition_list_t *, int) noexcept nogil
        int (*offsets_for_times)(rd_kafka_t *, rd_kafka_topic_partition_list_t *, int) noexcept nogil
        int (*consumer_close)(rd_kafka_t *) noexcept nogil
        rd_kafka_consumer_group_metadata_t *(*consumer_group_metadata)(rd_kafka_t *) noexcept nogil
        void (*consumer_group_metadata_destroy)(rd_kafka_consumer_group_metadata_t *) noexcept nogil
        rd_kafka_error_t *(*produceva)(rd_kafka_t *, const rd_kafka_vu_t *, size_t) noexcept nogil
        int (*produce_batch)(rd_kafka_topic_t *, int32_t, int, rd_kafka_message_t *, int) noexcept nogil
        int (*flush)(rd_kafka_t *, int) noexcept nogil
        int (*purge)(rd_kafka_t *, int) noexcept nogil
        int (*outq_len)(rd_kafka_t *) noexcept nogil
        rd_kafka_error_t *(*init_transactions)(rd_kafka_t *, int) noexcept nogil
        rd_kafka_error_t *(*begin_transaction)(rd_kafka_t *) noexcept nogil
        rd_kafka_error_t *(*commit_transaction)(rd_kafka_t *, int) noexcept nogil
        rd_kafka_error_t *(*abort_transaction)(rd_kafka_t *, int) noexcept nogil
        rd_kafka_error_t *(*send_offsets_to_transaction)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *,
                                                         const rd_kafka_consumer_group_metadata_t *, int) noexcept nogil

    const char *lf_rd_load(lf_rd_api *api, const char *path, char *text, size_t size) noexcept


cdef extern from "lf/rdkafka_rows.h" nogil:
    size_t lf_rd_rows_size(const lf_rd_api *api, rd_kafka_message_t **messages, int32_t n) noexcept
    int32_t lf_rd_run_end(rd_kafka_message_t **messages, int32_t first, int32_t n) noexcept
    uint8_t *lf_rd_rows_put(const lf_rd_api *api, rd_kafka_message_t **messages, int32_t first, int32_t end, lf_columns *c,
                            uint8_t *to) noexcept


cdef class Librdkafka:
    cdef lf_rd_api api

    cdef rd_kafka_conf_t *_fill(self, dict settings) except NULL


cdef class Handle:
    cdef Librdkafka library
    cdef lf_rd_api *api
    cdef rd_kafka_t *rk
    cdef rd_kafka_queue_t *queue
    cdef object fail                # (code, text, retriable, abortable) -> exception
    cdef object on_log, on_error
    cdef readonly bint closed
    cdef int users                  # calls under way without the GIL

    cdef int open(self, int kind, dict settings, object made) except -1
    cdef int prepare(self, rd_kafka_conf_t *conf) except -1
    cdef int free(self, int flags) except -1
    cdef int enter(self) except -1
    cdef int leave(self) noexcept
    cdef int check(self, int code) except -1
    cdef int check_error(self, rd_kafka_error_t *error) except -1
    cdef rd_kafka_topic_partition_list_t *to_list(self, object places) except NULL
    cdef list from_list(self, rd_kafka_topic_partition_list_t *places)
