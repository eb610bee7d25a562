/* Cursors over the mapped segments. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lf/crc32c.h"
#include "lf/log.h"
#include "lf/lost_pages.h"
#include "read_impl.h"

int lf_batch_check(const uint8_t *p, int64_t available, int64_t position, bool check_crc, lf_batch *b, const char **reason) {
    if (available <= LF_BATCH_MAGIC_AT) {
        *reason = "the batch header is cut off";
        return LF_E_TRUNCATED;
    }
    int8_t magic = (int8_t)p[LF_BATCH_MAGIC_AT];
    if (magic == 0 || magic == 1) {
        *reason = magic ? "message format v1 (magic 1), written before Kafka 0.11" : "message format v0 (magic 0)";
        /* A run of zeroes is an unwritten tail, no old message. */
        if (!magic && !lf_get32(p + LF_BATCH_LENGTH_AT)) {
            *reason = "zeroes where a batch should be";
            return LF_E_CORRUPT;
        }
        return LF_E_MAGIC;
    }
    if (magic != 2) {
        *reason = "unknown magic";
        return LF_E_CORRUPT;
    }
    if (available < LF_BATCH_RECORDS_AT) {
        *reason = "the batch header is cut off";
        return LF_E_TRUNCATED;
    }
    uint32_t length = lf_get32(p + LF_BATCH_LENGTH_AT);
    if (length < LF_BATCH_MIN_LENGTH || length > LF_BATCH_MAX_BYTES) {
        *reason = "impossible batch length";
        return LF_E_CORRUPT;
    }
    if ((int64_t)length + LF_BATCH_LENGTH_OVERHEAD > available) {
        *reason = "the batch is cut off";
        return LF_E_TRUNCATED;
    }
    lf_batch_parse(p, position, b);
    if (b->base_offset < 0 || b->last_offset < b->base_offset || b->count < 0 ||
        b->count > b->last_offset - b->base_offset + 1) {
        *reason = "impossible offsets or count in the batch header";
        return LF_E_CORRUPT;
    }
    if (check_crc && lf_crc32c(0, p + LF_BATCH_ATTRIBUTES_AT, (size_t)(b->size - LF_BATCH_ATTRIBUTES_AT)) != b->crc) {
        *reason = "crc mismatch";
        return LF_E_CORRUPT;
    }
    return LF_OK;
}

int64_t lf_batch_resync(const uint8_t *map, int64_t from, int64_t end, int64_t offset) {
    lf_batch b;
    const char *reason;
    for (int64_t at = from; at + LF_BATCH_RECORDS_AT <= end; at++) {
        if (map[at + LF_BATCH_MAGIC_AT] != 2) continue;
        if (lf_batch_check(map + at, end - at, at, false, &b, &reason)) continue;
        if (b.base_offset < offset || b.base_offset - offset > INT32_MAX) continue;
        if (!lf_batch_check(map + at, end - at, at, true, &b, &reason)) return at;
    }
    return -1;
}

int64_t lf_batch_behind_damage(const uint8_t *map, int64_t at, int64_t end, int64_t expected, int64_t before, int64_t before_base) {
    lf_batch b;
    const char *reason;
    if (before >= 0 && lf_batch_check(map + before, end - before, before, true, &b, &reason))
        return lf_batch_resync(map, before + 1, end, before_base);
    return lf_batch_resync(map, at + 1, end, expected);
}

static int fail_in(const lf_log *log, const lf_segment *s, int status, int64_t position, int64_t offset, const char *reason, lf_error *e) {
    char path[LF_PATH_MAX];
    lf_segment_path(log, s->base_offset, ".log", path);
    lf_fail(e, status, 0, path, position, reason);
    e->offset = offset;
    return status;
}

static int out_of_range(const lf_log *log, int64_t offset, lf_error *e) {
    lf_fail(e, LF_E_OUT_OF_RANGE, 0, log->dir, -1, "offset out of range");
    e->offset = offset;
    return LF_E_OUT_OF_RANGE;
}

/* `end`: of the segment's batches now. */
static void stand_in(lf_cursor *c, lf_segment *s, int64_t position, int64_t expected, int64_t end) {
    if (c->segment != s || position != c->position) {
        c->fetched = c->fetch_at = c->stride = 0;
        c->fetch_end = s->scattered ? end : 0;
    }
    if (c->segment != s) {
        lf_segment_ref(s);
        lf_segment_unref(c->segment);
        c->segment = s;
    }
    c->map = s->map;
    c->map_len = (int64_t)s->map_len;
    c->position = position;
    c->expected = expected;
}

#define STRIDE_MAX (1 << 20)

/* The kernel does not read ahead where look-ups are made, so the cursor does: the batch at hand, and then twice as
 * much each time, so that a look-up reads one batch and who reads on waits for few of them. */
static void fetch_ahead(const lf_log *log, lf_cursor *c, const lf_batch *b) {
    int64_t from = c->fetched > b->position ? c->fetched : b->position, to = b->position + b->size + c->stride;
    if (b->position >= c->fetch_end) {
        c->fetch_at = INT64_MAX;
        return;
    }
    if (to > c->fetch_end) to = c->fetch_end;
    lf_segment_fetch(log, c->map, from, to);
    c->fetched = to;
    c->fetch_at = to - c->stride / 2;
    c->stride = c->stride ? c->stride * 2 : STRIDE_MAX / 8;
    if (c->stride > STRIDE_MAX) c->stride = STRIDE_MAX;
}

void lf_cursor_release(lf_cursor *c) {
    lf_segment_unref(c->segment);
    memset(c, 0, sizeof *c);
}

int lf_read_settle(lf_log *log, int64_t *end, lf_segment **s, int64_t offset, lf_error *e) {
    for (int tries = 0; tries < 64; tries++) {
        int rc = lf_segments_refresh(log, e);
        if (rc) return rc;
        int32_t i = lf_segment_find(log, offset);
        if (i < 0) return out_of_range(log, offset, e);
        *s = log->segments[i];
        *end = lf_segment_end(log, *s);
        if (*end >= 0) return LF_OK;
        log->segments_version = 0; /* the roll's version is on its way: list again */
    }
    return lf_fail(e, LF_E_TIMEOUT, 0, log->dir, -1, "the segment list kept changing");
}

#define CHECKED_CELLS ((size_t)INT32_MAX / LF_CHECKED_CELL + 1)

/* The bits of batches that were checked out of order; NULL when there is no memory for them: they are checked again. */
static _Atomic(uint64_t) *checked_bits(lf_segment *s) {
    _Atomic(uint64_t) *bits = atomic_load_explicit(&s->checked, memory_order_acquire), *none = NULL;
    if (bits) return bits;
    bits = calloc(CHECKED_CELLS / 64, sizeof *bits);
    if (!bits || atomic_compare_exchange_strong(&s->checked, &none, bits)) return bits;
    free((void *)bits);
    return none;
}

/* Of what was checked some may be gone since. */
static void forget_checks(lf_segment *s, uint32_t lost) {
    _Atomic(uint64_t) *bits = atomic_load_explicit(&s->checked, memory_order_acquire);
    for (size_t i = 0; bits && i < CHECKED_CELLS / 64; i++) atomic_store_explicit(&bits[i], 0, memory_order_relaxed);
    atomic_store_explicit(&s->verified, 0, memory_order_relaxed);
    atomic_store_explicit(&s->checked_at, lost, memory_order_relaxed);
}

static inline bool is_verified(lf_segment *s, int64_t from, int64_t to) {
    uint32_t lost = atomic_load_explicit(&lf_lost_pages, memory_order_relaxed);
    if (atomic_load_explicit(&s->checked_at, memory_order_relaxed) != lost) forget_checks(s, lost);
    uint64_t v = atomic_load_explicit(&s->verified, memory_order_relaxed);
    if (from >= (int64_t)(v >> 32) && to <= (int64_t)(v & 0xffffffffu)) return true;
    _Atomic(uint64_t) *bits = atomic_load_explicit(&s->checked, memory_order_acquire);
    if (!bits || to - from < LF_CHECKED_CELL) return false;
    size_t cell = (size_t)from / LF_CHECKED_CELL;
    return atomic_load_explicit(&bits[cell / 64], memory_order_relaxed) >> cell % 64 & 1;
}

/* Who reads in order makes one long interval. What is looked up here and there sets bits, where batches are large
 * enough to have one of their own; smaller ones cost little to check again. */
static inline void note_verified(lf_segment *s, int64_t from, int64_t to) {
    uint64_t v = atomic_load_explicit(&s->verified, memory_order_relaxed);
    int64_t low = (int64_t)(v >> 32), high = (int64_t)(v & 0xffffffffu);
    _Atomic(uint64_t) *bits;
    if (from != high && to != low && v && to - from >= LF_CHECKED_CELL && (bits = checked_bits(s))) {
        size_t cell = (size_t)from / LF_CHECKED_CELL;
        atomic_fetch_or_explicit(&bits[cell / 64], (uint64_t)1 << cell % 64, memory_order_relaxed);
        return;
    }
    if (from == high) from = low;
    else if (to == low) to = high;
    atomic_store_explicit(&s->verified, (uint64_t)from << 32 | (uint64_t)to, memory_order_relaxed);
}

int lf_read_check_once(lf_segment *s, lf_batch *b, int64_t end, const char **reason) {
    if (is_verified(s, b->position, b->position + b->size)) return LF_OK;
    int rc = lf_batch_check(b->at, end - b->position, b->position, true, b, reason);
    if (!rc) note_verified(s, b->position, b->position + b->size);
    return rc;
}

bool lf_read_indexed(const lf_segment *s, int32_t i, int64_t offset, int64_t end, lf_batch *b) {
    const char *reason;
    if (i >= s->n_entries || s->entries[i].position >= end) return false;
    const lf_index_entry *found = &s->entries[i];
    return !lf_batch_check(s->map + found->position, end - found->position, found->position, false, b, &reason) &&
           b->last_offset == found->offset && b->base_offset <= offset;
}

#define NEAR_BYTES 4096

void lf_read_bring(const lf_log *log, lf_segment *s, const lf_batch *b) {
    if (!is_verified(s, b->position, b->position + b->size))
        for (int32_t at = 64; at < b->size && at < NEAR_BYTES; at += 64) __builtin_prefetch(b->at + at);
    lf_segment_fetch(log, s->map, b->position, b->position + b->size);
}

static int seek_once(lf_log *log, lf_cursor *c, int64_t offset, lf_error *e) {
    lf_segment *s;
    lf_batch b;
    const char *reason;
    int64_t end;
    int rc = lf_read_settle(log, &end, &s, offset, e);
    if (!rc) rc = lf_index_ready(log, s, end, e);
    if (!rc) rc = lf_segment_map(log, s, (size_t)end, e);
    if (rc) return rc;
    lf_segment_expect(s, true);
    if (lf_read_indexed(s, lf_index_at(s, offset), offset, end, &b)) {
        lf_read_bring(log, s, &b);
        if (lf_read_check_once(s, &b, end, &reason) == LF_OK) {
            stand_in(c, s, b.position, b.base_offset, end);
            c->fetched = c->fetch_at = b.position + b.size;
            c->next_offset = offset;
            return LF_OK;
        }
    }
    int64_t indexed, at = lf_index_floor(s, offset, &indexed), expected = at ? -1 : s->base_offset;
    if (indexed >= 0 && (lf_batch_check(s->map + at, end - at, at, false, &b, &reason) || b.last_offset != indexed)) {
        /* The index points astray: build it from the log. */
        rc = lf_index_rebuild(log, s, end, e);
        if (rc) return rc;
        at = lf_index_floor(s, offset, &indexed);
        expected = at ? -1 : s->base_offset;
    }
    int64_t before = -1, before_base = -1, fetched = 0;
    while (at < end) {
        rc = lf_batch_check(s->map + at, end - at, at, false, &b, &reason);
        bool good = !rc && lf_batch_follows(log, &b, expected);
        if (good && b.last_offset >= offset) {
            fetched = b.position + b.size;
            lf_read_bring(log, s, &b);
            if (lf_read_check_once(s, &b, end, &reason) == LF_OK) break;
            good = false;
        }
        if (!good) {
            /* Damage: what lies behind it stays reachable; the read that meets it reports it. */
            int64_t next = lf_batch_behind_damage(s->map, at, end, expected < 0 ? s->base_offset : expected, before, before_base);
            if (next < 0) break;
            lf_batch_parse(s->map + next, next, &b);
            if (b.base_offset > offset) break;
            at = next;
            expected = before = -1;
            continue;
        }
        before = at;
        before_base = b.base_offset;
        at += b.size;
        expected = b.last_offset + 1;
    }
    stand_in(c, s, at, expected, end);
    c->fetched = c->fetch_at = fetched;
    c->next_offset = offset;
    return LF_OK;
}

/* Again, when compaction or retention took away a file of the list meanwhile. */
static int seek_locked(lf_log *log, lf_cursor *c, int64_t offset, lf_error *e) {
    int rc = seek_once(log, c, offset, e);
    for (int tries = 0; rc == LF_E_INTERRUPTED && tries < LF_TRIES; tries++) {
        lf_segments_forget(log);
        rc = seek_once(log, c, offset, e);
    }
    return rc;
}

int lf_cursor_seek(lf_log *log, lf_cursor *c, int64_t offset, lf_error *e) {
    int64_t start = atomic_load(&log->state->start_offset);
    int64_t end = atomic_load_explicit(&log->state->end_offset, memory_order_acquire);
    if (offset < start || offset > end) return out_of_range(log, offset, e);
    pthread_mutex_lock(&log->mu);
    int rc = seek_locked(log, c, offset, e);
    pthread_mutex_unlock(&log->mu);
    return rc;
}

/* Moves the cursor on where its segment is read to the end, or outgrew its map. */
static int step_locked(lf_log *log, lf_cursor *c, int64_t *end, lf_error *e) {
    lf_segment *s = c->segment;
    int rc = LF_OK;
    *end = s->sealed ? s->size : -1;
    if (*end < 0 || c->position >= *end) {
        lf_segment *now;
        rc = lf_read_settle(log, end, &now, c->next_offset, e);
        if (!rc) rc = lf_segment_map(log, now, (size_t)*end, e);
        if (!rc && now == s && s->sealed && c->position >= s->size) {
            /* The segment's last offsets are gone (compaction): its successor begins behind a gap. */
            int32_t i = lf_segment_find(log, s->base_offset) + 1;
            now = log->segments[i < log->n_segments ? i : log->n_segments - 1];
            if (now != s) stand_in(c, now, 0, now->base_offset, now->size);
        } else if (!rc && now == s) stand_in(c, now, c->position, c->expected, *end);
        else if (!rc && now->base_offset == c->next_offset) stand_in(c, now, 0, now->base_offset, *end);
        else if (!rc) rc = seek_locked(log, c, c->next_offset, e);
        if (!rc && !c->map) rc = lf_segment_map(log, c->segment, 1, e), c->map = c->segment->map, c->map_len = (int64_t)c->segment->map_len;
    } else {
        rc = lf_segment_map(log, s, (size_t)*end, e);
        if (!rc) stand_in(c, s, c->position, c->expected, *end);
    }
    return rc;
}

static int step(lf_log *log, lf_cursor *c, int64_t *end, lf_error *e) {
    pthread_mutex_lock(&log->mu);
    int rc = step_locked(log, c, end, e);
    /* Its file was replaced: what follows is looked for in the new one. */
    if (rc == LF_E_INTERRUPTED) rc = seek_locked(log, c, c->next_offset, e);
    pthread_mutex_unlock(&log->mu);
    return rc;
}

int lf_cursor_peek(lf_log *log, lf_cursor *c, bool check_crc, lf_batch *b, lf_error *e) {
    const char *reason = "";
    int64_t end = -1;
    for (int tries = 0; tries < 1000; tries++) {
        if (c->next_offset >= atomic_load_explicit(&log->state->end_offset, memory_order_acquire)) {
            if (atomic_load_explicit(&log->state->failed, memory_order_relaxed) == ESTALE)
                return lf_fail(e, LF_E_CLOSED, 0, log->dir, -1, "the partition was deleted");
            return c->next_offset > atomic_load(&log->state->end_offset) ? out_of_range(log, c->next_offset, e) : LF_E_END;
        }
        if (c->next_offset < atomic_load_explicit(&log->state->start_offset, memory_order_relaxed))
            return out_of_range(log, c->next_offset, e);
        if (!c->segment) {
            int rc = lf_cursor_seek(log, c, c->next_offset, e);
            if (rc) return rc;
        }
        end = lf_segment_end(log, c->segment);
        if (end < 0 || c->position >= end || end > c->map_len) {
            int rc = step(log, c, &end, e);
            if (rc) return rc;
            continue;
        }
        lf_segment *s = c->segment;
        int rc = lf_batch_check(c->map + c->position, end - c->position, c->position, false, b, &reason);
        if (!rc && !lf_batch_follows(log, b, c->expected)) {
            rc = LF_E_CORRUPT;
            reason = LF_NOT_FOLLOWING;
        }
        if (!rc && b->last_offset < c->next_offset) {
            c->position += b->size;
            c->expected = b->last_offset + 1;
            continue;
        }
        if (!rc && b->base_offset > c->next_offset && !lf_gaps_allowed(log)) {
            rc = LF_E_CORRUPT;
            reason = "offsets are missing before this batch";
        }
        if (!rc && b->position + b->size > c->fetch_at) fetch_ahead(log, c, b);
        if (!rc && check_crc) rc = lf_read_check_once(s, b, end, &reason);
        if (!rc && (b->last_offset >= atomic_load_explicit(&log->state->end_offset, memory_order_acquire) ||
                    b->last_offset - s->base_offset > INT32_MAX)) {
            /* The newest batch of a log with gaps may be on its way: written, not published yet. */
            if (!s->sealed && c->position + b->size >= end) return LF_E_END;
            rc = LF_E_CORRUPT;
            reason = "offsets beyond the segment or the published end";
        }
        if (rc) return fail_in(log, s, rc == LF_E_TRUNCATED ? LF_E_CORRUPT : rc, c->position, c->next_offset, reason, e);
        return LF_OK;
    }
    return fail_in(log, c->segment, LF_E_CORRUPT, c->position, c->next_offset, "the log's published end is not in its segments", e);
}

void lf_cursor_advance(lf_cursor *c, const lf_batch *b) {
    c->position += b->size;
    c->next_offset = c->expected = b->last_offset + 1;
}

/* *from: where to look for `timestamp` in segment *i, -1 when it is not in there. */
static int time_floor(lf_log *log, int32_t *i, int64_t timestamp, int64_t *from, lf_error *e) {
    lf_segment *s = log->segments[*i];
    int64_t end = lf_segment_end(log, s);
    if (end < 0) {
        /* Rolled by another process this moment: list again, and begin again. */
        log->segments_version = 0;
        *i = -1;
        return lf_segments_refresh(log, e);
    }
    int rc = lf_index_ready(log, s, end, e);
    if (rc || s->max_timestamp < timestamp) return rc;
    const lf_time_entry *t = lf_index_time_floor(s, timestamp), *next = lf_index_time_next(s, t);
    if ((t || next) && (rc = lf_segment_map(log, s, (size_t)end, e))) return rc;
    lf_segment_expect(s, true);
    if ((t && !lf_index_time_holds(s, t, end)) || (next && !lf_index_time_holds(s, next, end))) {
        rc = lf_index_rebuild(log, s, end, e);
        if (rc || s->max_timestamp < timestamp) return rc;
        t = lf_index_time_floor(s, timestamp);
    }
    *from = lf_index_time_from(s, t);
    return LF_OK;
}

int lf_cursor_seek_time(lf_log *log, lf_cursor *c, int64_t timestamp, lf_error *e) {
    lf_batch b;
    int64_t from = -1;
    pthread_mutex_lock(&log->mu);
    int rc = lf_segments_refresh(log, e);
    int again = LF_TRIES;
    for (int32_t i = 0; !rc && i < log->n_segments && from < 0; i++) {
        rc = time_floor(log, &i, timestamp, &from, e);
        if (rc != LF_E_INTERRUPTED || again-- == 0) continue;
        lf_segments_forget(log);
        rc = lf_segments_refresh(log, e);
        i = -1;
    }
    pthread_mutex_unlock(&log->mu);
    if (rc) return rc;
    if (from < 0) return LF_E_END;
    int64_t start = atomic_load(&log->state->start_offset);
    rc = lf_cursor_seek(log, c, from < start ? start : from, e);
    while (!rc && !(rc = lf_cursor_peek(log, c, false, &b, e))) {
        if (b.max_timestamp >= timestamp) return LF_OK;
        lf_cursor_advance(c, &b);
    }
    return rc;
}
