#include "lf/builder.h"

/* Compresses the open batch's records in place; `codec` stays with the batch even when it did not help,
 * as Kafka's producer does. */
static int compress_records(lf_builder *b, lf_codec_ctx *codecs, int codec, int level) {
    size_t from = b->start + LF_BATCH_RECORDS_AT, n = b->len - from, out = 0;
    size_t bound = lf_compress_bound(codec, n);
    int rc = lf_builder_reserve(b, bound);
    if (rc) return rc;
    /* Behind the records, then moved down over them: one buffer, and the move is of the small side. */
    rc = lf_compress(codecs, codec, level, b->buf + from, n, b->buf + b->len, bound, &out);
    if (rc) return rc;
    memmove(b->buf + from, b->buf + b->len, out);
    b->len = from + out;
    return LF_OK;
}

void lf_batches_restamp(uint8_t *batches, size_t len, int64_t producer_id, int16_t epoch, int32_t sequence) {
    for (size_t at = 0, size; at < len; at += size) {
        uint8_t *p = batches + at;
        size = (size_t)lf_get32(p + LF_BATCH_LENGTH_AT) + LF_BATCH_LENGTH_OVERHEAD;
        lf_put64(p + LF_BATCH_PRODUCER_ID_AT, (uint64_t)producer_id);
        lf_put16(p + LF_BATCH_PRODUCER_EPOCH_AT, (uint16_t)epoch);
        lf_put32(p + LF_BATCH_BASE_SEQUENCE_AT, (uint32_t)sequence);
        lf_put32(p + LF_BATCH_CRC_AT, lf_crc32c(0, p + LF_BATCH_ATTRIBUTES_AT, size - LF_BATCH_ATTRIBUTES_AT));
        sequence = lf_sequence_after(sequence, (int64_t)lf_get32(p + LF_BATCH_COUNT_AT));
    }
}

int lf_builder_finish(lf_builder *b, lf_codec_ctx *codecs, int codec, int level) {
    if (!b->count) return LF_OK;
    if (codec) {
        int rc = compress_records(b, codecs, codec, level);
        if (rc) return rc;
    }
    uint8_t *p = b->buf + b->start;
    size_t size = b->len - b->start;
    if (size > LF_BATCH_MAX_BYTES) return LF_E_TOO_LARGE;
    lf_put64(p + LF_BATCH_BASE_OFFSET_AT, 0);
    lf_put32(p + LF_BATCH_LENGTH_AT, (uint32_t)(size - LF_BATCH_LENGTH_OVERHEAD));
    lf_put32(p + LF_BATCH_LEADER_EPOCH_AT, 0);
    p[LF_BATCH_MAGIC_AT] = 2;
    lf_put16(p + LF_BATCH_ATTRIBUTES_AT, (uint16_t)(codec | b->attributes));
    lf_put32(p + LF_BATCH_LAST_OFFSET_DELTA_AT, (uint32_t)(b->count - 1));
    lf_put64(p + LF_BATCH_BASE_TIMESTAMP_AT, (uint64_t)b->base_timestamp);
    lf_put64(p + LF_BATCH_MAX_TIMESTAMP_AT, (uint64_t)b->max_timestamp);
    lf_put64(p + LF_BATCH_PRODUCER_ID_AT, (uint64_t)b->producer_id);
    lf_put16(p + LF_BATCH_PRODUCER_EPOCH_AT, (uint16_t)b->producer_epoch);
    lf_put32(p + LF_BATCH_BASE_SEQUENCE_AT, (uint32_t)b->sequence);
    if (b->producer_id >= 0) b->sequence = lf_sequence_after(b->sequence, b->count);
    lf_put32(p + LF_BATCH_COUNT_AT, (uint32_t)b->count);
    lf_put32(p + LF_BATCH_CRC_AT, lf_crc32c(0, p + LF_BATCH_ATTRIBUTES_AT, size - LF_BATCH_ATTRIBUTES_AT));
    b->start = b->len;
    int rc = lf_builder_reserve(b, LF_BATCH_RECORDS_AT);
    b->len = b->start + LF_BATCH_RECORDS_AT;
    b->count = 0;
    return rc;
}
