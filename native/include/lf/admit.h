/* What a stranger wants to append: held against Kafka's rules before a byte of it reaches the log. */
#ifndef LF_ADMIT_H
#define LF_ADMIT_H

#include "lf/codecs.h"
#include "lf/records.h"

typedef struct lf_admit_rules {
    int64_t max_bytes;              /* max.message.bytes: of a batch, as it is stored */
    int64_t before_max_ms;          /* message.timestamp.before.max.ms */
    int64_t after_max_ms;
    int64_t max_unpacked;           /* cap on what a batch may unpack to */
    bool keys_required;             /* the topic is compacted */
    bool append_time;               /* LogAppendTime: whatever time the records claim is replaced */
    int codec, level;               /* compression.type; codec -1: the producer's is kept */
} lf_admit_rules;

/* Working memory, kept from call to call. Not thread-safe. Zeroes to begin with. */
typedef struct lf_admit_room {
    lf_codec_ctx *codecs;
    lf_columns columns;
    uint8_t *unpacked;              /* of a compressed batch */
    size_t unpacked_cap;
    uint8_t *packed;                /* a batch that was compressed anew */
    size_t packed_cap;
} lf_admit_room;

typedef struct lf_refusal {
    int code;                       /* Kafka's error code */
    int64_t size;                   /* of a batch that is too large */
    int64_t timestamp;              /* that is not allowed */
    const char *reason;
} lf_refusal;

/* One batch v2, all of [p, p + n), as Kafka takes it from a client: whole, CRC and counts right, records that fit
 * together, no control batch. *out and *out_len: what to append, `p` itself or, where the topic has a codec of its
 * own, memory of `room` that is good until the next call. LF_OK; LF_E_CORRUPT with *refusal; LF_E_NOMEM. */
int lf_admit(lf_admit_room *room, const lf_admit_rules *rules, uint8_t *p, int64_t n, int64_t now_ms, uint8_t **out,
             int64_t *out_len, lf_refusal *refusal);
void lf_admit_room_free(lf_admit_room *room);

#endif
