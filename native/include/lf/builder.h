/* Building one record batch in a heap buffer: records are put behind room for the header, then finished.
 * Not thread-safe: its owner has a lock. */
#ifndef LF_BUILDER_H
#define LF_BUILDER_H

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

#include "lf/batch_layout.h"
#include "lf/codecs.h"
#include "lf/crc32c.h"
#include "lf/record.h"
#include "lf/status.h"

typedef struct lf_builder {
    uint8_t *buf;           /* finished batches first, then the open one */
    size_t cap;
    size_t start;           /* of the open batch's header */
    size_t len;             /* end of the open batch's records */
    int64_t base_timestamp;
    int64_t max_timestamp;
    int32_t count;          /* records in the open batch */
    /* Who writes: -1, -1, -1 for nobody in particular. `sequence`: of the open batch's first record; each
     * finished batch moves it on. `attributes`: LF_ATTR_TRANSACTIONAL or 0. */
    int64_t producer_id;
    int32_t sequence;
    int16_t producer_epoch;
    uint16_t attributes;
} lf_builder;

/* The sequence number `n` records later: behind INT32_MAX comes 0. */
static inline int32_t lf_sequence_after(int32_t sequence, int64_t n) {
    return (int32_t)(((uint32_t)sequence + (uint32_t)n) & 0x7fffffffu);
}

static inline void lf_builder_reset(lf_builder *b) {
    b->start = 0;
    b->len = LF_BATCH_RECORDS_AT;
    b->count = 0;
    b->producer_id = -1;
    b->producer_epoch = -1;
    b->sequence = -1;
    b->attributes = 0;
}

/* Room for `more` bytes behind `len`. */
static inline int lf_builder_reserve(lf_builder *b, size_t more) {
    if (__builtin_expect(b->len + more <= b->cap, 1)) return LF_OK;
    size_t cap = b->cap ? b->cap : 16384;
    while (cap < b->len + more) cap *= 2;
    uint8_t *p = (uint8_t *)realloc(b->buf, cap);
    if (!p) return LF_E_NOMEM;
    b->buf = p;
    b->cap = cap;
    return LF_OK;
}

/* Bytes the open batch would have as a whole, were this record put (an upper bound). */
static inline size_t lf_builder_size_with(const lf_builder *b, size_t payload) {
    return b->len - b->start + payload + LF_RECORD_OVERHEAD_MAX;
}

/* Lengths of -1 are nulls. The caller writes the headers to the last `headers_len` bytes in front of b->len. */
static inline int lf_builder_put(lf_builder *b, int64_t timestamp, const uint8_t *key, int32_t key_len, const uint8_t *value,
                                 int32_t value_len, size_t headers_len, int32_t headers_count) {
    size_t k = key_len > 0 ? (size_t)key_len : 0, v = value_len > 0 ? (size_t)value_len : 0;
    int rc = lf_builder_reserve(b, k + v + headers_len + LF_RECORD_OVERHEAD_MAX);
    if (rc) return rc;
    if (!b->count) b->base_timestamp = b->max_timestamp = timestamp;
    else if (timestamp > b->max_timestamp) b->max_timestamp = timestamp;
    int64_t delta = (int64_t)((uint64_t)timestamp - (uint64_t)b->base_timestamp); /* wraps, as reading does */
    uint8_t *end = lf_put_record(b->buf + b->len, b->count, delta, key, key_len, value, value_len, headers_len, headers_count);
    b->len = (size_t)(end - b->buf);
    b->count++;
    return LF_OK;
}

/* Fills the open batch's header but for its base offset, compressing first where `codec` says so; the next
 * batch may then be put behind it. A batch that compression would make larger stays as it is, as Kafka's does not. */
int lf_builder_finish(lf_builder *b, lf_codec_ctx *codecs, int codec, int level);

/* Finished batches get another place in their producer's order; `sequence`: of the first record. */
void lf_batches_restamp(uint8_t *batches, size_t len, int64_t producer_id, int16_t epoch, int32_t sequence);

#endif
