/* One pass over a partition, from lock to unlock. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "compact_impl.h"

#define TICK_BYTES (4 << 20)

int lf_piece_fail(lf_cleaner *c, const lf_piece *p, int status, int64_t at, const char *reason) {
    char path[LF_PATH_MAX];
    lf_segment_path(c->log, p->segment->base_offset, ".log", path);
    return lf_fail(c->e, status, 0, path, at, reason);
}

int lf_piece_batch(lf_cleaner *c, const lf_piece *p, int64_t at, int64_t expected, bool check_crc, lf_batch *b) {
    const char *reason = "";
    int rc = lf_batch_check(p->map + at, p->end - at, at, check_crc, b, &reason);
    if (!rc && (b->base_offset < expected || b->last_offset >= p->next_base)) {
        rc = LF_E_CORRUPT;
        reason = LF_NOT_FOLLOWING;
    }
    if (!rc) return LF_OK;
    lf_piece_fail(c, p, rc == LF_E_TRUNCATED ? LF_E_CORRUPT : rc, at, reason);
    c->e->offset = expected;
    return c->e->status;
}

int lf_cleaner_tick(lf_cleaner *c, int64_t bytes) {
    c->ticked += bytes;
    if (c->ticked < TICK_BYTES || !c->job->tick) return LF_OK;
    c->ticked = 0;
    return c->job->tick(c->job->tick_arg) ? lf_fail(c->e, LF_E_INTERRUPTED, EINTR, c->log->dir, -1, "compaction") : LF_OK;
}

/* ---- the pieces ---- */

static int take_pieces(lf_cleaner *c) {
    lf_log *log = c->log;
    int rc = lf_segments_refresh(log, c->e);
    if (rc) return rc;
    c->pieces = calloc((size_t)log->n_segments, sizeof *c->pieces);
    if (!c->pieces) return lf_fail(c->e, LF_E_NOMEM, 0, log->dir, -1, "segments");
    int64_t log_end = atomic_load_explicit(&log->state->end_offset, memory_order_acquire);
    for (int32_t i = 0; i < log->n_segments; i++) {
        lf_segment *s = log->segments[i];
        lf_piece *p = &c->pieces[i];
        int64_t end = lf_segment_end(log, s);
        if (end < 0) return lf_fail(c->e, LF_E_INTERRUPTED, 0, log->dir, -1, "the segment list changed");
        rc = lf_segment_map(log, s, (size_t)end, c->e);
        if (rc) return rc;
        lf_segment_expect(s, false);
        *p = (lf_piece){lf_segment_ref(s), s->map, end, log_end};
        if (i) c->pieces[i - 1].next_base = s->base_offset;
        c->n_pieces++;
        if (i < log->n_segments - 1 && s->base_offset < c->job->uncleanable) c->n_clean++;
    }
    return LF_OK;
}

static void drop_pieces(lf_cleaner *c) {
    for (int32_t i = 0; i < c->n_pieces; i++) lf_segment_unref(c->pieces[i].segment);
    free(c->pieces);
    c->pieces = NULL;
    c->n_pieces = c->n_clean = 0;
}

/* The published end of the active segment may have grown over the end offset that was read: later batches are cut. */
static void trim_active(lf_cleaner *c) {
    lf_piece *p = &c->pieces[c->n_pieces - 1];
    lf_batch b;
    const char *reason;
    for (int64_t at = 0; at < p->end; at += b.size) {
        if (lf_batch_check(p->map + at, p->end - at, at, false, &b, &reason)) return;
        if (b.last_offset >= p->next_base) {
            p->end = at;
            return;
        }
    }
}

static int snapshot(lf_cleaner *c) {
    lf_log *log = c->log;
    int rc = LF_E_INTERRUPTED;
    for (int tries = 0; rc == LF_E_INTERRUPTED && tries < 64; tries++) {
        drop_pieces(c);
        pthread_mutex_lock(&log->mu);
        rc = take_pieces(c);
        if (rc == LF_E_INTERRUPTED) lf_segments_forget(log);
        pthread_mutex_unlock(&log->mu);
    }
    if (!rc) trim_active(c);
    return rc;
}

/* Whole segments only, and none from the first open transaction on. */
static void limit_to_decided(lf_cleaner *c) {
    int64_t open = INT64_MAX;
    /* Of one whose batches are all empty the marker may be gone: there is nothing to wait for. */
    for (int32_t i = 0; i < c->history.n_open && open == INT64_MAX; i++)
        if (!c->history.open[i].empty) open = c->history.open[i].first;
    if (open < c->job->uncleanable) c->job->uncleanable = open;
    while (c->n_clean && c->pieces[c->n_clean - 1].next_base > c->job->uncleanable) c->n_clean--;
    c->job->uncleanable = c->pieces[c->n_clean].segment->base_offset;
    if (c->job->first_dirty > c->job->uncleanable) c->job->first_dirty = c->job->uncleanable;
}

/* ---- groups of segments that become one ---- */

static bool fits(const lf_cleaner *c, int64_t base, int64_t bytes, const lf_piece *more) {
    const lf_log_config *g = &c->log->config;
    int64_t every = g->index_interval_bytes > LF_BATCH_RECORDS_AT ? g->index_interval_bytes : LF_BATCH_RECORDS_AT;
    int64_t entries = (bytes + more->end) / every + 2;
    return bytes + more->end <= g->segment_bytes && entries * LF_TIME_ENTRY_BYTES <= g->segment_index_bytes &&
           more->next_base - 1 - base <= INT32_MAX;
}

static int64_t output_bytes(const lf_cleaner *c) { return c->out.position + (int64_t)c->out.len; }

/* Swaps in what has been written for pieces [from, to). */
static int end_group(lf_cleaner *c, int32_t from, int32_t to) {
    int rc = LF_OK;
    if (c->out.segment) {
        int64_t before = 0, after = output_bytes(c);
        for (int32_t i = from; i < to; i++) before += c->pieces[i].end;
        rc = lf_output_finish(c, &c->pieces[to - 1]);
        if (!rc) rc = lf_swap_in(c, &c->pieces[from], to - from);
        if (!rc) {
            c->job->bytes_removed += before - after;
            c->job->segments_removed += to - from - 1;
        }
    }
    lf_output_drop(c);
    return rc;
}

static int rewrite(lf_cleaner *c) {
    int32_t from = 0, i = 0;
    int rc = lf_txn_walk_begin(&c->walk, &c->history, 0);
    if (rc) return lf_fail(c->e, rc, 0, c->log->dir, -1, "transactions");
    for (; !rc && i < c->n_clean && c->pieces[i].segment->base_offset <= c->latest; i++) {
        const lf_piece *p = &c->pieces[i];
        int64_t base = c->pieces[from].segment->base_offset;
        if (i > from && (!c->out.segment ? !fits(c, base, c->pieces[from].end, p) : !fits(c, base, output_bytes(c), p))) {
            rc = end_group(c, from, i);
            from = i;
        } else if (i > from && !c->out.segment) {
            /* The one before had nothing to lose, but the two are one segment's worth. */
            rc = lf_output_begin_with(c, &c->pieces[from], c->pieces[from].end);
        }
        if (!rc) rc = lf_rewrite_piece(c, p);
        c->job->segments_read++;
        c->job->bytes_read += p->end;
    }
    return rc || i == from ? rc : end_group(c, from, i);
}

static int pass(lf_cleaner *c) {
    lf_compaction *job = c->job;
    int rc = snapshot(c);
    if (!rc) rc = lf_history_scan(c);
    if (rc) return rc;
    limit_to_decided(c);
    job->next_dirty = job->first_dirty;
    if (!c->n_clean) return LF_OK;
    /* Before an older value goes, the newer one must be as safe as it was. */
    rc = lf_log_sync(c->log, job->uncleanable, c->e);
    if (rc) return rc;
    int64_t dirty = job->uncleanable - job->first_dirty;
    if (lf_key_map_new(&c->map, (size_t)job->map_bytes, (size_t)dirty))
        return lf_fail(c->e, LF_E_NOMEM, 0, c->log->dir, -1, "key map (log.cleaner.dedupe.buffer.size)");
    rc = lf_build_map(c);
    if (!rc) rc = rewrite(c);
    if (!rc) job->next_dirty = c->latest + 1;
    return rc;
}

static void free_cleaner(lf_cleaner *c) {
    lf_output_drop(c);
    free(c->out.buf);
    free(c->out.aborted);
    drop_pieces(c);
    lf_history_free(&c->history);
    lf_txn_walk_free(&c->walk);
    lf_key_map_free(c->map);
    lf_codec_ctx_free(c->codecs);
    free(c->plain);
    free(c->kept);
    free(c->items);
}

static int settle_leftovers(lf_log *log, lf_error *e) {
    int rc = lf_log_lock(log, e);
    if (rc) return rc;
    rc = lf_compact_settle(log, true, e);
    if (!rc) {
        pthread_mutex_lock(&log->mu);
        if (atomic_load(&log->state->swaps) != log->swaps) atomic_fetch_add(&log->state->segments_version, 1);
        rc = lf_segments_refresh(log, e);
        pthread_mutex_unlock(&log->mu);
    }
    lf_log_unlock(log);
    return rc;
}

int lf_compact(lf_log *log, lf_compaction *job, lf_error *e) {
    lf_cleaner c = {.log = log, .job = job, .e = e, .out = {.fd = -1}};
    if (log->config.read_only) return lf_fail(e, LF_E_READ_ONLY, 0, log->dir, -1, "the log is open read-only");
    job->next_dirty = job->first_dirty;
    if (atomic_exchange(&log->cleaning, true)) return lf_fail(e, LF_E_LOCKED, 0, log->dir, -1, "another thread compacts it");
    int err = lf_lock_byte(log->lock_fd, log->lock_byte + LF_LOCK_CLEANING, F_WRLCK, 0), rc;
    if (err) rc = lf_fail(e, LF_E_LOCKED, err, log->dir, -1, "another process compacts it");
    else {
        rc = settle_leftovers(log, e);
        if (!rc) rc = pass(&c);
        free_cleaner(&c);
        lf_lock_byte(log->lock_fd, log->lock_byte + LF_LOCK_CLEANING, F_UNLCK, 0);
        /* Whatever was missed on the way: its directory is gone. */
        if (rc && atomic_load(&log->state->failed) == ESTALE) rc = lf_fail(e, LF_E_CLOSED, 0, log->dir, -1, "the partition was deleted");
    }
    atomic_store(&log->cleaning, false);
    return rc;
}

int lf_compact_first_timestamp(lf_log *log, int64_t offset, int64_t *timestamp, lf_error *e) {
    lf_cursor cursor = {.next_offset = offset};
    lf_batch b;
    *timestamp = LF_NO_TIMESTAMP;
    int rc = lf_cursor_peek(log, &cursor, false, &b, e);
    if (!rc) *timestamp = b.max_timestamp;
    lf_cursor_release(&cursor);
    return rc == LF_E_END ? LF_OK : rc;
}
