/* librdkafka's stable C interface, as far as it is used: found at run time in what confluent-kafka brings, so that
 * nothing is linked and nothing is loaded before a cluster is opened. Names and layouts are those of rdkafka.h 2.x. */
#ifndef LF_RDKAFKA_H
#define LF_RDKAFKA_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_topic_conf_s rd_kafka_topic_conf_t;
typedef struct rd_kafka_queue_s rd_kafka_queue_t;
typedef struct rd_kafka_op_s rd_kafka_event_t;
typedef struct rd_kafka_headers_s rd_kafka_headers_t;
typedef struct rd_kafka_error_s rd_kafka_error_t;
typedef struct rd_kafka_consumer_group_metadata_s rd_kafka_consumer_group_metadata_t;

enum {
    LF_RD_PRODUCER = 0,
    LF_RD_CONSUMER = 1,

    LF_RD_PARTITION_ANY = -1,

    LF_RD_FLAG_COPY = 0x2,
    LF_RD_FLAG_PARTITION = 0x8,

    LF_RD_V_END = 0,
    LF_RD_V_RKT = 2,
    LF_RD_V_PARTITION = 3,
    LF_RD_V_VALUE = 4,
    LF_RD_V_KEY = 5,
    LF_RD_V_OPAQUE = 6,
    LF_RD_V_MSGFLAGS = 7,
    LF_RD_V_TIMESTAMP = 8,
    LF_RD_V_HEADERS = 10,

    LF_RD_EVENT_DR = 1,

    LF_RD_CONF_OK = 0,
    LF_RD_CONF_UNKNOWN = -2,

    LF_RD_ERR_REVOKE = -174,
    LF_RD_ERR_ASSIGN = -175,
    LF_RD_ERR_PARTITION_EOF = -191,
    LF_RD_ERR_QUEUE_FULL = -184,
};

typedef struct rd_kafka_message_s {
    int err;
    rd_kafka_topic_t *rkt;
    int32_t partition;
    void *payload;
    size_t len;
    void *key;
    size_t key_len;
    int64_t offset;
    void *_private;
} rd_kafka_message_t;

typedef struct rd_kafka_topic_partition_s {
    char *topic;
    int32_t partition;
    int64_t offset;
    void *metadata;
    size_t metadata_size;
    void *opaque;
    int err;
    void *_private;
} rd_kafka_topic_partition_t;

typedef struct rd_kafka_topic_partition_list_s {
    int cnt;
    int size;
    rd_kafka_topic_partition_t *elems;
} rd_kafka_topic_partition_list_t;

typedef struct {
    void *mem;
    size_t size;
} lf_rd_vu_mem;

typedef union {
    rd_kafka_topic_t *rkt;
    int i;
    int32_t i32;
    int64_t i64;
    lf_rd_vu_mem mem;
    rd_kafka_headers_t *headers;
    void *ptr;
    char _pad[64];
} lf_rd_vu_u;

typedef struct rd_kafka_vu_s {
    int vtype;
    lf_rd_vu_u u;
} rd_kafka_vu_t;

typedef struct {
    int32_t id;
    char *host;
    int port;
} rd_kafka_metadata_broker_t;

typedef struct {
    int32_t id;
    int err;
    int32_t leader;
    int replica_cnt;
    int32_t *replicas;
    int isr_cnt;
    int32_t *isrs;
} rd_kafka_metadata_partition_t;

typedef struct {
    char *topic;
    int partition_cnt;
    rd_kafka_metadata_partition_t *partitions;
    int err;
} rd_kafka_metadata_topic_t;

typedef struct {
    int broker_cnt;
    rd_kafka_metadata_broker_t *brokers;
    int topic_cnt;
    rd_kafka_metadata_topic_t *topics;
    int32_t orig_broker_id;
    char *orig_broker_name;
} rd_kafka_metadata_t;

typedef void (*lf_rd_rebalance_cb)(rd_kafka_t *, int, rd_kafka_topic_partition_list_t *, void *);
typedef void (*lf_rd_error_cb)(rd_kafka_t *, int, const char *, void *);
typedef void (*lf_rd_log_cb)(const rd_kafka_t *, int, const char *, const char *);

/* result, name behind rd_kafka_, arguments */
#define LF_RD_FUNCTIONS(F)                                                                                          \
    F(int, version, (void))                                                                                         \
    F(const char *, err2name, (int))                                                                                \
    F(const char *, err2str, (int))                                                                                 \
    F(int, fatal_error, (rd_kafka_t *, char *, size_t))                                                             \
    F(int, error_code, (const rd_kafka_error_t *))                                                                  \
    F(const char *, error_string, (const rd_kafka_error_t *))                                                       \
    F(int, error_is_retriable, (const rd_kafka_error_t *))                                                          \
    F(int, error_txn_requires_abort, (const rd_kafka_error_t *))                                                    \
    F(void, error_destroy, (rd_kafka_error_t *))                                                                    \
    F(rd_kafka_conf_t *, conf_new, (void))                                                                          \
    F(void, conf_destroy, (rd_kafka_conf_t *))                                                                      \
    F(int, conf_set, (rd_kafka_conf_t *, const char *, const char *, char *, size_t))                               \
    F(const char **, conf_dump, (rd_kafka_conf_t *, size_t *))                                                      \
    F(const char **, topic_conf_dump, (rd_kafka_topic_conf_t *, size_t *))                                          \
    F(void, conf_dump_free, (const char **, size_t))                                                                \
    F(rd_kafka_topic_conf_t *, topic_conf_new, (void))                                                              \
    F(void, topic_conf_destroy, (rd_kafka_topic_conf_t *))                                                          \
    F(void, conf_set_events, (rd_kafka_conf_t *, int))                                                              \
    F(void, conf_set_opaque, (rd_kafka_conf_t *, void *))                                                           \
    F(void *, opaque, (const rd_kafka_t *))                                                                         \
    F(void, conf_set_rebalance_cb, (rd_kafka_conf_t *, lf_rd_rebalance_cb))                                         \
    F(void, conf_set_error_cb, (rd_kafka_conf_t *, lf_rd_error_cb))                                                 \
    F(void, conf_set_log_cb, (rd_kafka_conf_t *, lf_rd_log_cb))                                                     \
    F(int, set_log_queue, (rd_kafka_t *, rd_kafka_queue_t *))                                                       \
    F(rd_kafka_t *, new, (int, rd_kafka_conf_t *, char *, size_t))                                                  \
    F(void, destroy_flags, (rd_kafka_t *, int))                                                                     \
    F(int, metadata, (rd_kafka_t *, int, rd_kafka_topic_t *, const rd_kafka_metadata_t **, int))                    \
    F(void, metadata_destroy, (const rd_kafka_metadata_t *))                                                        \
    F(rd_kafka_topic_t *, topic_new, (rd_kafka_t *, const char *, rd_kafka_topic_conf_t *))                         \
    F(void, topic_destroy, (rd_kafka_topic_t *))                                                                    \
    F(const char *, topic_name, (const rd_kafka_topic_t *))                                                         \
    F(rd_kafka_topic_partition_list_t *, topic_partition_list_new, (int))                                           \
    F(void, topic_partition_list_destroy, (rd_kafka_topic_partition_list_t *))                                      \
    F(rd_kafka_topic_partition_t *, topic_partition_list_add,                                                       \
      (rd_kafka_topic_partition_list_t *, const char *, int32_t))                                                   \
    F(rd_kafka_queue_t *, queue_get_main, (rd_kafka_t *))                                                           \
    F(rd_kafka_queue_t *, queue_get_consumer, (rd_kafka_t *))                                                       \
    F(void, queue_destroy, (rd_kafka_queue_t *))                                                                    \
    F(void, queue_yield, (rd_kafka_queue_t *))                                                                      \
    F(void, queue_io_event_enable, (rd_kafka_queue_t *, int, const void *, size_t))                                 \
    F(rd_kafka_event_t *, queue_poll, (rd_kafka_queue_t *, int))                                                    \
    F(int, event_type, (const rd_kafka_event_t *))                                                                  \
    F(const rd_kafka_message_t *, event_message_next, (rd_kafka_event_t *))                                         \
    F(void, event_destroy, (rd_kafka_event_t *))                                                                    \
    F(int, poll_set_consumer, (rd_kafka_t *))                                                                       \
    F(void, yield, (rd_kafka_t *))                                                                                  \
    F(ssize_t, consume_batch_queue, (rd_kafka_queue_t *, int, rd_kafka_message_t **, size_t))                       \
    F(void, message_destroy, (rd_kafka_message_t *))                                                                \
    F(const char *, message_errstr, (const rd_kafka_message_t *))                                                   \
    F(int64_t, message_timestamp, (const rd_kafka_message_t *, int *))                                              \
    F(int, message_headers, (const rd_kafka_message_t *, rd_kafka_headers_t **))                                    \
    F(int, header_get_all, (const rd_kafka_headers_t *, size_t, const char **, const void **, size_t *))            \
    F(rd_kafka_headers_t *, headers_new, (size_t))                                                                  \
    F(void, headers_destroy, (rd_kafka_headers_t *))                                                                \
    F(int, header_add, (rd_kafka_headers_t *, const char *, ssize_t, const void *, ssize_t))                        \
    F(int, subscribe, (rd_kafka_t *, const rd_kafka_topic_partition_list_t *))                                      \
    F(int, unsubscribe, (rd_kafka_t *))                                                                             \
    F(int, assign, (rd_kafka_t *, const rd_kafka_topic_partition_list_t *))                                         \
    F(rd_kafka_error_t *, incremental_assign, (rd_kafka_t *, const rd_kafka_topic_partition_list_t *))              \
    F(rd_kafka_error_t *, incremental_unassign, (rd_kafka_t *, const rd_kafka_topic_partition_list_t *))            \
    F(int, assignment_lost, (rd_kafka_t *))                                                                         \
    F(const char *, rebalance_protocol, (rd_kafka_t *))                                                             \
    F(int, pause_partitions, (rd_kafka_t *, rd_kafka_topic_partition_list_t *))                                     \
    F(int, resume_partitions, (rd_kafka_t *, rd_kafka_topic_partition_list_t *))                                    \
    F(rd_kafka_error_t *, seek_partitions, (rd_kafka_t *, rd_kafka_topic_partition_list_t *, int))                  \
    F(int, commit, (rd_kafka_t *, const rd_kafka_topic_partition_list_t *, int))                                    \
    F(int, committed, (rd_kafka_t *, rd_kafka_topic_partition_list_t *, int))                                       \
    F(int, offsets_for_times, (rd_kafka_t *, rd_kafka_topic_partition_list_t *, int))                               \
    F(int, consumer_close, (rd_kafka_t *))                                                                          \
    F(rd_kafka_consumer_group_metadata_t *, consumer_group_metadata, (rd_kafka_t *))                                \
    F(void, consumer_group_metadata_destroy, (rd_kafka_consumer_group_metadata_t *))                                \
    F(rd_kafka_error_t *, produceva, (rd_kafka_t *, const rd_kafka_vu_t *, size_t))                                 \
    F(int, produce_batch, (rd_kafka_topic_t *, int32_t, int, rd_kafka_message_t *, int))                            \
    F(int, flush, (rd_kafka_t *, int))                                                                              \
    F(int, purge, (rd_kafka_t *, int))                                                                              \
    F(int, outq_len, (rd_kafka_t *))                                                                                \
    F(rd_kafka_error_t *, init_transactions, (rd_kafka_t *, int))                                                   \
    F(rd_kafka_error_t *, begin_transaction, (rd_kafka_t *))                                                        \
    F(rd_kafka_error_t *, commit_transaction, (rd_kafka_t *, int))                                                  \
    F(rd_kafka_error_t *, abort_transaction, (rd_kafka_t *, int))                                                   \
    F(rd_kafka_error_t *, send_offsets_to_transaction,                                                              \
      (rd_kafka_t *, const rd_kafka_topic_partition_list_t *, const rd_kafka_consumer_group_metadata_t *, int))

typedef struct lf_rd_api {
#define LF_RD_FIELD(result, name, args) result(*name) args;
    LF_RD_FUNCTIONS(LF_RD_FIELD)
#undef LF_RD_FIELD
} lf_rd_api;

/* Fills the table from the shared object at `path` and what it is linked to, and keeps it loaded.
 * NULL, or what is missing (in `text`). */
const char *lf_rd_load(lf_rd_api *api, const char *path, char *text, size_t size);

#endif
