#include "lf/fill.h"

/* How far in front of the copy memory is asked for: the processor's own reading ahead stops at each page, and of a
 * list's objects it knows nothing (decision 016). */
enum { AHEAD_BYTES = 1536, AHEAD_RECORDS = 12, LINE_BYTES = 64 };

static inline __attribute__((always_inline)) void fetch_ahead(const lf_in_column *c, int64_t i, const uint8_t *value, int64_t length) {
    if (c->kind == LF_IN_POINTERS) {
        if (i + AHEAD_RECORDS >= c->n) return;
        const lf_in_bytes *b = (const lf_in_bytes *)c->offsets + i + AHEAD_RECORDS;
        value = b->at - AHEAD_BYTES;
        length = b->length;
    }
    for (int64_t at = AHEAD_BYTES; at < AHEAD_BYTES + length; at += LINE_BYTES) __builtin_prefetch(value + at);
}

/* Up to `n` records from one chunk of values and one of keys into the open batch, which has room for what
 * batch_bytes allows. Returns how many fitted. `kind` is a constant where this is inlined. */
static inline __attribute__((always_inline)) int64_t put_run(const lf_fill *f, lf_builder *b, int64_t n, int kind) {
    const bool keyed = f->keys != NULL;
    lf_in_column values = f->values[f->value_chunk], keys = keyed ? f->keys[f->key_chunk] : (lf_in_column){0};
    const int64_t *timestamps = f->timestamps ? f->timestamps + f->at : NULL;
    int64_t value_at = f->value_at, key_at = f->key_at, timestamp = f->now, key_len = -1, done;
    int64_t base = b->base_timestamp, max = b->max_timestamp;
    int32_t count = b->count;
    uint8_t *p = b->buf + b->len;
    const int64_t headers_len = f->headers_len, stop = (int64_t)b->start + f->batch_bytes - LF_RECORD_OVERHEAD_MAX;
    const uint8_t *value = NULL, *key = NULL;
    values.kind = kind;
    for (done = 0; done < n; done++) {
        int64_t value_len = lf_in_get(&values, value_at + done, &value);
        int64_t payload = headers_len + (value_len > 0 ? value_len : 0);
        if (keyed) {
            key_len = lf_in_get(&keys, key_at + done, &key);
            if (key_len > 0) payload += key_len;
        }
        if (payload > stop - (p - b->buf)) break;
        fetch_ahead(&values, value_at + done, value, value_len);
        if (timestamps) timestamp = timestamps[done];
        if (!count) base = max = timestamp;
        else if (timestamp > max) max = timestamp;
        int64_t delta = (int64_t)((uint64_t)timestamp - (uint64_t)base); /* wraps, as reading does */
        /* Said twice, so that the compiler knows the one without a key. */
        if (keyed) p = lf_put_record(p, count, delta, key, key_len, value, value_len, (size_t)headers_len, f->headers_count);
        else p = lf_put_record(p, count, delta, NULL, -1, value, value_len, (size_t)headers_len, f->headers_count);
        if (headers_len) lf_copy(p - headers_len, f->headers, (size_t)headers_len);
        count++;
    }
    b->len = (size_t)(p - b->buf);
    b->count = count;
    b->base_timestamp = base;
    b->max_timestamp = max;
    return done;
}

static int64_t put_some(const lf_fill *f, lf_builder *b, int64_t n) {
    switch (f->values[f->value_chunk].kind) {
    case LF_IN_FIXED: return put_run(f, b, n, LF_IN_FIXED);
    case LF_IN_PADDED: return put_run(f, b, n, LF_IN_PADDED);
    case LF_IN_OFFSETS32: return put_run(f, b, n, LF_IN_OFFSETS32);
    case LF_IN_OFFSETS64: return put_run(f, b, n, LF_IN_OFFSETS64);
    case LF_IN_POINTERS: return put_run(f, b, n, LF_IN_POINTERS);
    default: return put_run(f, b, n, LF_IN_VIEWS);
    }
}

static void step(lf_fill *f, int64_t n) {
    f->at += n;
    f->value_at += n;
    f->key_at += n;
}

void lf_fill_seek(lf_fill *f, int64_t at) {
    f->at = f->value_at = f->key_at = at;
    f->value_chunk = f->key_chunk = 0;
}

/* Records that lie in the chunks where the next one does; moves on to those chunks. */
static int64_t in_chunk(lf_fill *f) {
    int64_t n = f->length - f->at, left;
    while (f->value_at >= f->values[f->value_chunk].n) f->value_at -= f->values[f->value_chunk++].n;
    left = f->values[f->value_chunk].n - f->value_at;
    if (left < n) n = left;
    if (!f->keys) return n;
    while (f->key_at >= f->keys[f->key_chunk].n) f->key_at -= f->keys[f->key_chunk++].n;
    left = f->keys[f->key_chunk].n - f->key_at;
    return left < n ? left : n;
}

static int finish(lf_fill *f, lf_builder *b) {
    size_t start = b->start;
    int32_t count = b->count;
    int rc = lf_builder_finish(b, f->codecs, f->codec, f->level);
    f->too_large = (int64_t)(rc ? b->len - start : b->start - start);
    if (rc) return rc;
    if (f->too_large > f->message_bytes_max) return LF_E_TOO_LARGE;
    f->finished += count;
    return LF_OK;
}

/* One record larger than a batch should be: alone in its batch, if the topic takes it. */
static int put_large(lf_fill *f, lf_builder *b) {
    const uint8_t *value = NULL, *key = NULL;
    int64_t value_len = lf_in_get(&f->values[f->value_chunk], f->value_at, &value), key_len = -1;
    if (f->keys) key_len = lf_in_get(&f->keys[f->key_chunk], f->key_at, &key);
    int64_t payload = (value_len > 0 ? value_len : 0) + (key_len > 0 ? key_len : 0) + f->headers_len;
    f->too_large = payload;
    if (payload > INT32_MAX / 2) return LF_E_TOO_LARGE;
    /* Compressed it may fit: finish() looks again. */
    if (!f->codec && payload + LF_BATCH_RECORDS_AT + LF_RECORD_OVERHEAD_MAX > f->message_bytes_max) return LF_E_TOO_LARGE;
    int rc = lf_builder_put(b, f->timestamps ? f->timestamps[f->at] : f->now, key, (int32_t)key_len, value,
                            (int32_t)value_len, (size_t)f->headers_len, f->headers_count);
    if (rc) return rc;
    if (f->headers_len) memcpy(b->buf + b->len - f->headers_len, f->headers, (size_t)f->headers_len);
    step(f, 1);
    return LF_OK;
}

int lf_fill_run(lf_fill *f, lf_builder *b) {
    while (f->at < f->length && b->start < f->full_bytes) {
        int64_t n = in_chunk(f);
        int rc = lf_builder_reserve(b, (size_t)f->batch_bytes);
        if (rc) return rc;
        int64_t done = put_some(f, b, n);
        step(f, done);
        if (done == n) continue;
        rc = b->count ? finish(f, b) : put_large(f, b);
        if (rc) return rc;
    }
    return LF_OK;
}
