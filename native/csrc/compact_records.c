/* Records of a batch taken apart, and put together again without those that go. */
#include <stdlib.h>
#include <string.h>

#include "compact_impl.h"
#include "lf/crc32c.h"
#include "lf/records.h"
#include "lf/varint.h"

#define RECORD_MIN_BYTES 7      /* seven numbers of one byte */

static int reserve(uint8_t **buf, size_t *cap, size_t n) {
    if (n <= *cap) return LF_OK;
    size_t more = *cap * 2 > n ? *cap * 2 : n;
    uint8_t *p = realloc(*buf, more);
    if (!p) return LF_E_NOMEM;
    *buf = p;
    *cap = more;
    return LF_OK;
}

/* One record; NULL where its lengths do not fit. */
static const uint8_t *parse_one(const uint8_t *base, const uint8_t *p, const uint8_t *end, int64_t base_offset, lf_item *out) {
    int32_t length, offset_delta, key_len, value_len;
    out->at = (uint32_t)(p - base);
    if (!(p = lf_get_varint(p, end, &length)) || length < 1 || length > end - p) return NULL;
    end = p + length;
    if (!(p = lf_get_varlong(p + 1, end, &out->timestamp_delta))) return NULL;
    out->rest_at = (uint32_t)(p - base);
    if (!(p = lf_get_varint(p, end, &offset_delta)) || offset_delta < 0) return NULL;
    if (!(p = lf_get_varint(p, end, &key_len)) || key_len < -1 || key_len > end - p) return NULL;
    out->key_at = (uint32_t)(p - base);
    out->key_len = key_len;
    if (key_len > 0) p += key_len;
    if (!(p = lf_get_varint(p, end, &value_len)) || value_len < -1 || value_len > end - p) return NULL;
    if (value_len > 0) p += value_len;
    if (lf_headers_skip(p, end) != end) return NULL;
    out->end = (uint32_t)(end - base);
    out->offset = base_offset + offset_delta;
    out->tombstone = value_len < 0;
    out->keep = true;
    return end;
}

int lf_items_parse(lf_cleaner *c, const lf_piece *p, const lf_batch *b, const uint8_t **base) {
    const uint8_t *at = b->at + LF_BATCH_RECORDS_AT, *end = b->at + b->size;
    int codec = b->attributes & LF_ATTR_CODEC;
    if (codec) {
        size_t n = 0;
        if (!c->codecs && !(c->codecs = lf_codec_ctx_new())) return lf_fail(c->e, LF_E_NOMEM, 0, c->log->dir, -1, "codec");
        int rc = lf_decompress(c->codecs, codec, at, (size_t)(end - at), &c->plain, &c->plain_cap, (size_t)c->job->max_decompressed, &n);
        if (!rc && n > UINT32_MAX) rc = LF_E_BOMB;
        if (rc == LF_E_BOMB) return lf_piece_fail(c, p, rc, c->job->max_decompressed, "decompressed size");
        if (rc == LF_E_TRUNCATED || rc == LF_E_TOO_LARGE) rc = LF_E_CORRUPT;
        if (rc) return lf_piece_fail(c, p, rc, b->position, "the compressed records do not decompress");
        at = c->plain;
        end = at + n;
    }
    *base = at;
    if (b->count > (end - at) / RECORD_MIN_BYTES)
        return lf_piece_fail(c, p, LF_E_CORRUPT, b->position, "more records are claimed than there are bytes");
    if (b->count > c->cap_items) {
        lf_item *more = realloc(c->items, (size_t)b->count * sizeof *more);
        if (!more) return lf_fail(c->e, LF_E_NOMEM, 0, c->log->dir, -1, "records");
        c->items = more;
        c->cap_items = b->count;
    }
    int64_t last = b->base_offset - 1;
    for (int32_t i = 0; i < b->count; i++) {
        at = parse_one(*base, at, end, b->base_offset, &c->items[i]);
        if (!at || c->items[i].offset <= last || c->items[i].offset > b->last_offset)
            return lf_piece_fail(c, p, LF_E_CORRUPT, b->position, "a record does not fit its batch");
        last = c->items[i].offset;
    }
    if (at != end) return lf_piece_fail(c, p, LF_E_CORRUPT, b->position, "bytes are left behind the batch's last record");
    return LF_OK;
}

void lf_items_hash(lf_cleaner *c, const uint8_t *base, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        lf_item *item = &c->items[i];
        if (item->key_len < 0) continue;
        item->key = lf_key_hash(c->map, base + item->key_at, (size_t)item->key_len);
        lf_key_prefetch(c->map, item->key);
    }
}

/* Records as they are, in runs. */
static uint8_t *copy_kept(const lf_cleaner *c, const uint8_t *base, int32_t count, uint8_t *to) {
    for (int32_t i = 0; i < count;) {
        if (!c->items[i].keep) {
            i++;
            continue;
        }
        uint32_t from = c->items[i].at;
        while (i < count && c->items[i].keep) i++;
        size_t n = c->items[i - 1].end - from;
        memcpy(to, base + from, n);
        to += n;
    }
    return to;
}

/* Records with their times counted from another base: the header's base timestamp becomes the delete horizon. */
static uint8_t *copy_rebased(const lf_cleaner *c, const uint8_t *base, int32_t count, int64_t shift, uint8_t *to) {
    for (int32_t i = 0; i < count; i++) {
        const lf_item *item = &c->items[i];
        if (!item->keep) continue;
        int64_t delta = (int64_t)((uint64_t)item->timestamp_delta + (uint64_t)shift);
        size_t rest = item->end - item->rest_at;
        to = lf_put_varint(to, (int64_t)(1 + (size_t)lf_varint_size(delta) + rest));
        *to++ = 0; /* attributes: unused in v2 */
        to = lf_put_varint(to, delta);
        memcpy(to, base + item->rest_at, rest);
        to += rest;
    }
    return to;
}

static void put_header(uint8_t *p, const lf_batch *b, size_t size, int32_t count, int64_t max_timestamp, int64_t horizon) {
    memcpy(p, b->at, LF_BATCH_RECORDS_AT);
    lf_put32(p + LF_BATCH_LENGTH_AT, (uint32_t)(size - LF_BATCH_LENGTH_OVERHEAD));
    lf_put64(p + LF_BATCH_MAX_TIMESTAMP_AT, (uint64_t)max_timestamp);
    lf_put32(p + LF_BATCH_COUNT_AT, (uint32_t)count);
    if (horizon >= 0) {
        lf_put16(p + LF_BATCH_ATTRIBUTES_AT, (uint16_t)(b->attributes | LF_ATTR_DELETE_HORIZON));
        lf_put64(p + LF_BATCH_BASE_TIMESTAMP_AT, (uint64_t)horizon);
    }
    lf_put32(p + LF_BATCH_CRC_AT, lf_crc32c(0, p + LF_BATCH_ATTRIBUTES_AT, size - LF_BATCH_ATTRIBUTES_AT));
}

int lf_items_write(lf_cleaner *c, const lf_piece *p, const lf_batch *b, const uint8_t *base, int64_t horizon) {
    int codec = b->attributes & LF_ATTR_CODEC;
    int64_t newest = LF_NO_TIMESTAMP;
    size_t bound = 0, packed;
    int32_t kept = 0;
    for (int32_t i = 0; i < b->count; i++) {
        const lf_item *item = &c->items[i];
        if (!item->keep) continue;
        int64_t timestamp = (int64_t)((uint64_t)b->base_timestamp + (uint64_t)item->timestamp_delta);
        if (timestamp > newest) newest = timestamp;
        bound += item->end - item->at + 16; /* longer varints, when they are rebased */
        kept++;
    }
    if (b->attributes & LF_ATTR_APPEND_TIME) newest = b->max_timestamp;
    if (bound > LF_BATCH_MAX_BYTES) return lf_piece_fail(c, p, LF_E_TOO_LARGE, (int64_t)bound, "compaction");
    size_t room = codec ? lf_compress_bound(codec, bound) : bound;
    uint8_t *out = lf_output_room(c, LF_BATCH_RECORDS_AT + room);
    if (!out) return c->e->status;
    uint8_t *to = out + LF_BATCH_RECORDS_AT;
    if (codec) {
        if (reserve(&c->kept, &c->kept_cap, bound)) return lf_fail(c->e, LF_E_NOMEM, 0, c->log->dir, -1, "records");
        to = c->kept;
    }
    uint8_t *end = horizon >= 0 ? copy_rebased(c, base, b->count, (int64_t)((uint64_t)b->base_timestamp - (uint64_t)horizon), to)
                                : copy_kept(c, base, b->count, to);
    packed = (size_t)(end - to);
    if (codec) {
        int rc = lf_compress(c->codecs, codec, LF_LEVEL_DEFAULT, c->kept, packed, out + LF_BATCH_RECORDS_AT, room, &packed);
        if (rc) return lf_piece_fail(c, p, rc, b->position, "recompression");
    }
    if (packed + LF_BATCH_RECORDS_AT > LF_BATCH_MAX_BYTES) return lf_piece_fail(c, p, LF_E_TOO_LARGE, (int64_t)packed, "compaction");
    put_header(out, b, LF_BATCH_RECORDS_AT + packed, kept, newest, horizon);
    lf_output_put(c, out, (int32_t)(LF_BATCH_RECORDS_AT + packed));
    return LF_OK;
}
