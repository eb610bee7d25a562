/* Appending for idempotent and transactional producers: checked, written, published together with what it means. */
#include <limits.h>
#include <string.h>

#include "append_impl.h"
#include "lf/crc32c.h"
#include "lf/transactions.h"

static int next_in(const uint8_t *batches, size_t at, int64_t offset, lf_batch *b) {
    lf_batch_parse(batches + at, 0, b);
    /* The base offset is not this log's yet, or that of a file in which it never was. */
    b->last_offset = offset + (b->last_offset - b->base_offset);
    b->base_offset = offset;
    return b->size;
}

/* Batches in front that are here already: a client asks again when it missed the answer. *info: where they lie. */
static int skip_duplicates(lf_log *log, const uint8_t *batches, size_t len, size_t *skipped, lf_append_info *info, lf_error *e) {
    lf_producers *p = log->producers;
    lf_batch b;
    pthread_mutex_lock(&p->mu);
    int rc = lf_producers_catch_up(log, e);
    for (*skipped = 0; !rc && *skipped < len;) {
        int64_t base, last;
        int size = next_in(batches, *skipped, 0, &b);
        if (!lf_producers_duplicate(p, &b, &base, &last)) break;
        if (!*skipped) info->base_offset = base;
        info->last_offset = last;
        *skipped += (size_t)size;
    }
    pthread_mutex_unlock(&p->mu);
    return rc;
}

static int take_all(lf_log *log, const lf_stretch *s, lf_origin origin, lf_error *e) {
    char why[sizeof e->reason];
    lf_batch b;
    for (size_t at = 0; at < s->len; at += (size_t)b.size) {
        lf_batch_parse(s->batches + at, 0, &b);
        int rc = lf_producers_take(log->producers, &b, origin, why, sizeof why);
        if (rc == LF_E_NOMEM) return lf_fail(e, rc, 0, log->dir, -1, "producers");
        if (rc) {
            lf_fail(e, rc, 0, log->dir, -1, why);
            e->offset = b.producer_id;
            return rc;
        }
    }
    return LF_OK;
}

void lf_produce_announce(lf_log *log, const lf_stretch *s) {
    lf_state *st = log->state;
    int64_t unstable = lf_producers_unstable(log->producers);
    if (atomic_load(&st->producers_from) == INT64_MAX) atomic_store(&st->producers_from, s->offset);
    /* A transaction that begins here, before its records are seen; one that ends here goes on counting till then. */
    if (unstable < atomic_load(&st->first_unstable)) atomic_store(&st->first_unstable, unstable);
}

void lf_produce_settle(lf_log *log, const lf_stretch *s) {
    lf_cursor *c = &log->producers->cursor;
    bool stood_there = c->segment == s->segment && c->position == s->position;
    int64_t end = s->offset + s->count;
    if (!stood_there) lf_cursor_release(c); /* looked for when another process has appended */
    else c->position += (int64_t)s->len;
    c->next_offset = c->expected = end;
    lf_producers_commit(log->producers);
}

static int produce_stretch(lf_log *log, uint8_t *batches, size_t len, bool prepare, lf_origin origin, int64_t now, lf_error *e) {
    lf_producers *p = log->producers;
    lf_stretch s;
    int rc = lf_stretch_begin(log, batches, len, now, &s, e);
    if (rc) return rc;
    pthread_mutex_lock(&p->mu);
    rc = lf_producers_catch_up(log, e);
    if (!rc && lf_producers_begin(p)) rc = lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "producers");
    if (!rc) rc = take_all(log, &s, origin, e);
    bool written = !rc && !(rc = lf_stretch_write(log, &s, prepare, e));
    if (!rc) rc = lf_txn_index_append(log, s.segment->base_offset, p->aborted, p->n_aborted, e);
    if (!rc) {
        lf_produce_announce(log, &s);
        LF_FAILPOINT("produce.before_publish");
        lf_stretch_settle(log, &s);
        lf_state_publish(log->state, s.offset + s.count);
        LF_FAILPOINT("produce.after_publish");
        lf_produce_settle(log, &s);
        lf_state_publish_unstable(log->state, lf_producers_unstable(p));
    } else {
        if (p->recording) lf_producers_rollback(p);
        if (written) lf_stretch_cut(log, &s);
    }
    pthread_mutex_unlock(&p->mu);
    return rc;
}

int lf_produce(lf_log *log, uint8_t *batches, size_t len, bool prepare, lf_origin origin, int64_t now, lf_append_info *info, lf_error *e) {
    size_t skipped = 0, n;
    int rc = origin == LF_FROM_CLIENT ? skip_duplicates(log, batches, len, &skipped, info, e) : LF_OK;
    info->duplicate = !rc && skipped == len;
    info->written = skipped;
    if (rc || info->duplicate) return rc;
    for (; !rc && info->written < len; info->written += rc ? 0 : n) {
        n = lf_stretch_bytes(log, batches + info->written, len - info->written);
        rc = produce_stretch(log, batches + info->written, n, prepare, origin, now, e);
    }
    info->last_offset = atomic_load_explicit(&log->state->end_offset, memory_order_relaxed) - 1;
    return rc;
}

/* ---- again, at the same offsets ---- */

/* A batch without records, whose offsets are missing ones. */
static void put_gap(uint8_t p[LF_BATCH_RECORDS_AT], int32_t last_delta) {
    static const uint8_t none[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    memset(p, 0, LF_BATCH_RECORDS_AT);
    lf_put32(p + LF_BATCH_LENGTH_AT, LF_BATCH_MIN_LENGTH);
    p[LF_BATCH_MAGIC_AT] = 2;
    lf_put32(p + LF_BATCH_LAST_OFFSET_DELTA_AT, (uint32_t)last_delta);
    memcpy(p + LF_BATCH_BASE_TIMESTAMP_AT, none, 8);
    memcpy(p + LF_BATCH_MAX_TIMESTAMP_AT, none, 8);
    memset(p + LF_BATCH_PRODUCER_ID_AT, 0xff, LF_BATCH_COUNT_AT - LF_BATCH_PRODUCER_ID_AT);
    lf_put32(p + LF_BATCH_CRC_AT, lf_crc32c(0, p + LF_BATCH_ATTRIBUTES_AT, LF_BATCH_RECORDS_AT - LF_BATCH_ATTRIBUTES_AT));
}

static int fill_gap(lf_log *log, int64_t to, lf_error *e) {
    uint8_t gap[LF_BATCH_RECORDS_AT];
    lf_append_info info;
    int rc = LF_OK;
    for (int64_t end; !rc && (end = atomic_load(&log->state->end_offset)) < to;) {
        int64_t missing = to - end;
        info = (lf_append_info){.written = 0};
        put_gap(gap, missing > INT32_MAX ? INT32_MAX : (int32_t)(missing - 1));
        rc = lf_produce(log, gap, sizeof gap, false, LF_FROM_LOG, LF_NO_TIMESTAMP, &info, e);
    }
    return rc;
}

/* What is there already, in front. */
static int skip_present(lf_log *log, const uint8_t *batches, size_t len, int64_t *offset, size_t *skipped, lf_error *e) {
    int64_t end = atomic_load(&log->state->end_offset);
    lf_batch b;
    for (*skipped = 0; *skipped < len && *offset < end; *skipped += (size_t)b.size) {
        next_in(batches, *skipped, *offset, &b);
        if (b.last_offset >= end) return lf_fail(e, LF_E_CORRUPT, 0, log->dir, (int64_t)*skipped, "the log ends in the middle of this batch");
        *offset = b.last_offset + 1;
    }
    return LF_OK;
}

int lf_log_append_at(lf_log *log, uint8_t *batches, size_t len, int64_t base_offset, lf_append_info *info, lf_error *e) {
    bool produced;
    size_t skipped = 0;
    int64_t offset = base_offset;
    *info = (lf_append_info){.base_offset = base_offset, .append_time = LF_NO_TIMESTAMP};
    int rc = lf_stretch_look_over(log, batches, len, &produced, e);
    if (!rc) rc = lf_log_lock(log, e);
    if (rc) return rc;
    rc = skip_present(log, batches, len, &offset, &skipped, e);
    if (!rc && skipped < len) rc = fill_gap(log, offset, e);
    if (!rc && skipped < len) rc = lf_produce(log, batches + skipped, len - skipped, false, LF_FROM_LOG, LF_NO_TIMESTAMP, info, e);
    info->duplicate = !rc && skipped == len;
    info->written += skipped;
    info->base_offset = base_offset;
    info->last_offset = atomic_load(&log->state->end_offset) - 1;
    lf_log_unlock(log);
    return rc;
}
