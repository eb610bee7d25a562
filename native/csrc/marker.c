#include "lf/marker.h"

#include "lf/crc32c.h"
#include "lf/varint.h"

#define KEY_BYTES 4     /* version and type, 16 bits each */
#define VALUE_BYTES 6   /* version, 16 bits; the coordinator's epoch */

int lf_marker_parse(const lf_batch *b, int32_t *coordinator_epoch) {
    const uint8_t *p = b->at + LF_BATCH_RECORDS_AT, *end = b->at + b->size;
    int32_t n;
    int64_t delta;
    if (coordinator_epoch) *coordinator_epoch = -1;
    if (!b->count) return LF_MARKER_NONE;
    p = lf_get_varint(p, end, &n);
    if (!p || n < 1 || n > end - p) return LF_MARKER_OTHER;
    end = p + n;
    p = lf_get_varlong(p + 1, end, &delta);
    if (p) p = lf_get_varint(p, end, &n);
    if (p) p = lf_get_varint(p, end, &n);
    if (!p || n < KEY_BYTES || n > end - p) return LF_MARKER_OTHER;
    uint16_t type = lf_get16(p + 2);
    p = lf_get_varint(p + n, end, &n);
    /* A newer coordinator may have appended fields: only what is known is read. */
    if (p && n >= VALUE_BYTES && n <= end - p && coordinator_epoch) *coordinator_epoch = (int32_t)lf_get32(p + 2);
    return type <= LF_MARKER_COMMIT ? (int)type : LF_MARKER_OTHER;
}

void lf_marker_put(uint8_t p[LF_MARKER_BYTES], int64_t producer_id, int16_t producer_epoch, int32_t coordinator_epoch,
                   bool commit, int64_t timestamp) {
    memset(p, 0, LF_MARKER_BYTES);
    lf_put32(p + LF_BATCH_LENGTH_AT, LF_MARKER_BYTES - LF_BATCH_LENGTH_OVERHEAD);
    p[LF_BATCH_MAGIC_AT] = 2;
    lf_put16(p + LF_BATCH_ATTRIBUTES_AT, LF_ATTR_TRANSACTIONAL | LF_ATTR_CONTROL);
    lf_put64(p + LF_BATCH_BASE_TIMESTAMP_AT, (uint64_t)timestamp);
    lf_put64(p + LF_BATCH_MAX_TIMESTAMP_AT, (uint64_t)timestamp);
    lf_put64(p + LF_BATCH_PRODUCER_ID_AT, (uint64_t)producer_id);
    lf_put16(p + LF_BATCH_PRODUCER_EPOCH_AT, (uint16_t)producer_epoch);
    lf_put32(p + LF_BATCH_BASE_SEQUENCE_AT, 0xffffffffu);
    lf_put32(p + LF_BATCH_COUNT_AT, 1);
    uint8_t *q = lf_put_varint(p + LF_BATCH_RECORDS_AT, LF_MARKER_BYTES - LF_BATCH_RECORDS_AT - 1);
    q += 3; /* attributes, timestamp delta, offset delta */
    q = lf_put_varint(q, KEY_BYTES);
    lf_put16(q + 2, commit ? LF_MARKER_COMMIT : LF_MARKER_ABORT);
    q = lf_put_varint(q + KEY_BYTES, VALUE_BYTES);
    lf_put32(q + 2, (uint32_t)coordinator_epoch);
    lf_put32(p + LF_BATCH_CRC_AT, lf_crc32c(0, p + LF_BATCH_ATTRIBUTES_AT, LF_MARKER_BYTES - LF_BATCH_ATTRIBUTES_AT));
}
