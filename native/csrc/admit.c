#include "lf/admit.h"

#include <stdlib.h>
#include <string.h>

#include "lf/crc32c.h"
#include "lf/log.h"

enum { /* Kafka's error codes */
    CORRUPT_MESSAGE = 2,
    MESSAGE_TOO_LARGE = 10,
    INVALID_TIMESTAMP = 32,
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43,
    UNSUPPORTED_COMPRESSION_TYPE = 76,
    INVALID_RECORD = 87,
};

#define ROWS_AT_A_TIME 1024             /* their columns stay in the processor's cache */
#define KEPT_BYTES_MAX (8 << 20)        /* a larger batch's buffer is not kept for the next one */

static int refuse(lf_refusal *r, int code, const char *reason) {
    r->code = code;
    r->reason = reason;
    return LF_E_CORRUPT;
}

/* What the 61 bytes in front tell. */
static int check_header(const lf_admit_rules *rules, const uint8_t *p, int64_t n, lf_batch *b, lf_refusal *r) {
    const char *reason = "";
    int rc = lf_batch_check(p, n, 0, false, b, &reason);
    if (rc == LF_E_MAGIC) return refuse(r, UNSUPPORTED_FOR_MESSAGE_FORMAT, reason);
    if (rc) return refuse(r, CORRUPT_MESSAGE, reason);
    if (b->size != n) return refuse(r, INVALID_RECORD, "a request has one batch for each partition, and nothing behind it");
    if (lf_crc32c(0, p + LF_BATCH_ATTRIBUTES_AT, (size_t)n - LF_BATCH_ATTRIBUTES_AT) != b->crc)
        return refuse(r, CORRUPT_MESSAGE, "crc mismatch");
    if (b->size > rules->max_bytes) {
        r->size = b->size;
        return refuse(r, MESSAGE_TOO_LARGE, "max.message.bytes");
    }
    if (b->attributes & LF_ATTR_CONTROL) return refuse(r, INVALID_RECORD, "clients write no control batches");
    if ((b->attributes & LF_ATTR_CODEC) >= LF_CODEC_COUNT)
        return refuse(r, UNSUPPORTED_COMPRESSION_TYPE, "unknown compression codec");
    if (b->count <= 0 || (int64_t)b->count != b->last_offset - b->base_offset + 1)
        return refuse(r, INVALID_RECORD, "the batch's count is not that of its offsets");
    if (b->producer_id >= 0 && (b->producer_epoch < 0 || b->base_sequence < 0))
        return refuse(r, INVALID_RECORD, "a producer id without epoch and sequence");
    if (b->producer_id < 0 && b->attributes & LF_ATTR_TRANSACTIONAL)
        return refuse(r, INVALID_RECORD, "a transactional batch without a producer id");
    return LF_OK;
}

typedef struct time_range {
    int64_t oldest, newest;
} time_range;

static time_range allowed_times(const lf_admit_rules *rules, int64_t now_ms) {
    time_range t = {INT64_MIN, INT64_MAX};
    if (rules->append_time) return t; /* whatever they claim is replaced */
    if (rules->before_max_ms < now_ms) t.oldest = now_ms - rules->before_max_ms;
    if (rules->after_max_ms < INT64_MAX - now_ms) t.newest = now_ms + rules->after_max_ms;
    return t;
}

static int check_rows(const lf_columns *c, bool keys_required, time_range times, int64_t first_offset, int64_t *max_timestamp, lf_refusal *r) {
    for (int32_t i = 0; i < c->n; i++) {
        int64_t t = c->timestamps[i];
        if (c->offsets[i] != first_offset + i) return refuse(r, INVALID_RECORD, "a record's offset is not that of its place");
        if (keys_required && c->key_len[i] < 0) return refuse(r, INVALID_RECORD, "a record without a key in a compacted topic");
        /* -1 is "no timestamp", which every topic takes. */
        if (t != LF_NO_TIMESTAMP && (t < times.oldest || t > times.newest)) {
            r->timestamp = t;
            return refuse(r, INVALID_TIMESTAMP, "outside of what message.timestamp.before.max.ms and after.max.ms allow");
        }
        if (t > *max_timestamp) *max_timestamp = t;
    }
    return LF_OK;
}

/* All records, some at a time: a batch may have more of them than columns should be kept for. */
static int check_records(lf_admit_room *room, const lf_admit_rules *rules, const lf_batch *b, const uint8_t *records, uint32_t size,
                         int64_t now_ms, int64_t *max_timestamp, lf_refusal *r) {
    time_range times = allowed_times(rules, now_ms);
    lf_records walk;
    lf_records_begin(&walk, b, records, 0, size);
    /* A client's batch claims times of its own, whatever its attributes say. */
    walk.append_time = LF_NO_TIMESTAMP;
    *max_timestamp = LF_NO_TIMESTAMP;
    while (walk.index < walk.count) {
        int64_t first = b->base_offset + walk.index;
        room->columns.n = 0;
        int rc = lf_records_decode(&walk, 0, ROWS_AT_A_TIME, &room->columns, &r->reason);
        if (rc) return rc == LF_E_NOMEM ? rc : refuse(r, INVALID_RECORD, r->reason);
        rc = check_rows(&room->columns, rules->keys_required, times, first, max_timestamp, r);
        if (rc) return rc;
    }
    return LF_OK;
}

/* As Kafka, which believes the records and not the header: the latest time, and no flag that only a log may set. */
static void set_right(uint8_t *p, lf_batch *b, int64_t max_timestamp) {
    int16_t attributes = (int16_t)(b->attributes & ~(LF_ATTR_APPEND_TIME | LF_ATTR_DELETE_HORIZON));
    if (attributes == b->attributes && max_timestamp == b->max_timestamp) return;
    b->attributes = attributes;
    b->max_timestamp = max_timestamp;
    lf_put16(p + LF_BATCH_ATTRIBUTES_AT, (uint16_t)attributes);
    lf_put64(p + LF_BATCH_MAX_TIMESTAMP_AT, (uint64_t)max_timestamp);
    lf_put32(p + LF_BATCH_CRC_AT, lf_crc32c(0, p + LF_BATCH_ATTRIBUTES_AT, (size_t)(b->size - LF_BATCH_ATTRIBUTES_AT)));
}

static void drop(uint8_t **p, size_t *cap) {
    free(*p);
    *p = NULL;
    *cap = 0;
}

/* The records of a compressed batch, unpacked. */
static int unpack(lf_admit_room *room, const lf_admit_rules *rules, const lf_batch *b, size_t *n, lf_refusal *r) {
    if (!room->codecs && !(room->codecs = lf_codec_ctx_new())) return LF_E_NOMEM;
    int rc = lf_decompress(room->codecs, b->attributes & LF_ATTR_CODEC, b->at + LF_BATCH_RECORDS_AT,
                           (size_t)b->size - LF_BATCH_RECORDS_AT, &room->unpacked, &room->unpacked_cap,
                           (size_t)rules->max_unpacked, n);
    if (rc == LF_E_NOMEM) return rc;
    if (rc == LF_E_BOMB || (!rc && *n > INT32_MAX))
        return refuse(r, INVALID_RECORD, "the batch unpacks to more than max.decompressed.bytes");
    return rc ? refuse(r, CORRUPT_MESSAGE, "the compressed records do not decompress") : LF_OK;
}

/* The batch with the topic's own codec, in memory of `room`. */
static int pack_anew(lf_admit_room *room, const lf_admit_rules *rules, const lf_batch *b, const uint8_t *records, size_t n,
                     uint8_t **out, int64_t *out_len, lf_refusal *r) {
    size_t room_for = LF_BATCH_RECORDS_AT + lf_compress_bound(rules->codec, n), packed = 0;
    if (!room->codecs && !(room->codecs = lf_codec_ctx_new())) return LF_E_NOMEM;
    if (room_for > room->packed_cap) {
        uint8_t *more = realloc(room->packed, room_for);
        if (!more) return LF_E_NOMEM;
        room->packed = more;
        room->packed_cap = room_for;
    }
    uint8_t *q = room->packed;
    int rc = lf_compress(room->codecs, rules->codec, rules->level, records, n, q + LF_BATCH_RECORDS_AT,
                         room->packed_cap - LF_BATCH_RECORDS_AT, &packed);
    if (rc) return rc == LF_E_NOMEM ? rc : refuse(r, INVALID_RECORD, "the records do not compress with the topic's codec");
    int64_t size = LF_BATCH_RECORDS_AT + (int64_t)packed;
    if (size > rules->max_bytes) {
        r->size = size;
        return refuse(r, MESSAGE_TOO_LARGE, "max.message.bytes");
    }
    memcpy(q, b->at, LF_BATCH_RECORDS_AT);
    lf_put32(q + LF_BATCH_LENGTH_AT, (uint32_t)(size - LF_BATCH_LENGTH_OVERHEAD));
    lf_put16(q + LF_BATCH_ATTRIBUTES_AT, (uint16_t)((b->attributes & ~LF_ATTR_CODEC) | rules->codec));
    lf_put32(q + LF_BATCH_CRC_AT, lf_crc32c(0, q + LF_BATCH_ATTRIBUTES_AT, (size_t)size - LF_BATCH_ATTRIBUTES_AT));
    *out = q;
    *out_len = size;
    return LF_OK;
}

int lf_admit(lf_admit_room *room, const lf_admit_rules *rules, uint8_t *p, int64_t n, int64_t now_ms, uint8_t **out,
             int64_t *out_len, lf_refusal *r) {
    lf_batch b;
    memset(r, 0, sizeof *r);
    *out = p;
    *out_len = n;
    if (room->packed_cap > KEPT_BYTES_MAX) drop(&room->packed, &room->packed_cap);
    int rc = check_header(rules, p, n, &b, r);
    if (rc) return rc;
    const uint8_t *records = p + LF_BATCH_RECORDS_AT;
    size_t size = (size_t)n - LF_BATCH_RECORDS_AT;
    int codec = b.attributes & LF_ATTR_CODEC;
    if (codec) {
        rc = unpack(room, rules, &b, &size, r);
        if (rc) return rc;
        records = room->unpacked;
    }
    int64_t max_timestamp;
    rc = check_records(room, rules, &b, records, (uint32_t)size, now_ms, &max_timestamp, r);
    if (!rc) set_right(p, &b, max_timestamp);
    if (!rc && rules->codec >= 0 && rules->codec != codec) rc = pack_anew(room, rules, &b, records, size, out, out_len, r);
    if (room->unpacked_cap > KEPT_BYTES_MAX) drop(&room->unpacked, &room->unpacked_cap);
    return rc;
}

void lf_admit_room_free(lf_admit_room *room) {
    lf_codec_ctx_free(room->codecs);
    lf_columns_free(&room->columns);
    free(room->unpacked);
    free(room->packed);
    memset(room, 0, sizeof *room);
}
