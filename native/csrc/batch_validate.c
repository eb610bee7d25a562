#include "lf/batch_validate.h"

#include <stdlib.h>

#include "lf/crc32c.h"

static int check_header(const lf_batch *b, const char **reason) {
    *reason = NULL;
    if (b->attributes & LF_ATTR_CONTROL) *reason = "a client may not write control batches";
    else if (b->count <= 0) *reason = "a batch without records";
    else if (b->last_offset - b->base_offset + 1 != b->count) *reason = "the number of records does not fit the last offset delta";
    else if (b->producer_id >= 0 && (b->base_sequence < 0 || b->producer_epoch < 0)) *reason = "a producer id without epoch or sequence";
    else if (b->attributes & LF_ATTR_TRANSACTIONAL && b->producer_id < 0) *reason = "a transactional batch without a producer id";
    else if (b->attributes & LF_ATTR_DELETE_HORIZON) *reason = "a client may not set a delete horizon";
    return *reason ? LF_E_CORRUPT : LF_OK;
}

static int check_records(lf_validator *v, const lf_batch *b, int64_t *newest, const char **reason) {
    lf_columns *c = &v->columns;
    for (int32_t i = 0; i < b->count; i++) {
        *reason = "offsets inside the batch are not consecutive";
        if (c->offsets[i] != b->base_offset + i) return LF_E_CORRUPT;
        *reason = "no key, and the topic is compacted: nothing could tell which record replaces it";
        if (v->keys_required && c->key_len[i] < 0) return LF_E_CORRUPT;
        if (c->timestamps[i] > *newest) *newest = c->timestamps[i];
    }
    return LF_OK;
}

int lf_validate_client_batch(lf_validator *v, uint8_t *p, lf_batch *b, const char **reason) {
    const uint8_t *base = p;
    size_t at = LF_BATCH_RECORDS_AT, end = (size_t)b->size;
    int rc = check_header(b, reason), codec = b->attributes & LF_ATTR_CODEC;
    if (rc) return rc;
    *reason = "the compressed records do not decompress";
    if (codec && !v->codecs && !(v->codecs = lf_codec_ctx_new())) return LF_E_NOMEM;
    if (codec) {
        rc = lf_decompress(v->codecs, codec, p + at, end - at, &v->plain, &v->plain_cap, v->max_decompressed, &end);
        if (rc) return rc == LF_E_TRUNCATED || rc == LF_E_TOO_LARGE ? LF_E_CORRUPT : rc;
        if (end > UINT32_MAX) return LF_E_BOMB;
        base = v->plain;
        at = 0;
    }
    lf_records r;
    lf_records_begin(&r, b, base, (uint32_t)at, (uint32_t)end);
    v->columns.n = 0;
    rc = lf_records_decode(&r, INT64_MIN, b->count, &v->columns, reason);
    if (rc) return rc == LF_E_NOMEM ? rc : LF_E_CORRUPT;
    int64_t newest = LF_NO_TIMESTAMP;
    rc = check_records(v, b, &newest, reason);
    if (rc || b->attributes & LF_ATTR_APPEND_TIME || newest == b->max_timestamp) return rc;
    lf_put64(p + LF_BATCH_MAX_TIMESTAMP_AT, (uint64_t)newest);
    lf_put32(p + LF_BATCH_CRC_AT, lf_crc32c(0, p + LF_BATCH_ATTRIBUTES_AT, (size_t)b->size - LF_BATCH_ATTRIBUTES_AT));
    return LF_OK;
}

void lf_validator_free(lf_validator *v) {
    lf_codec_ctx_free(v->codecs);
    free(v->plain);
    lf_columns_free(&v->columns);
}
