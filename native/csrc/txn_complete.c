/* The end of a transaction in several partitions at once. */
#include <stdlib.h>
#include <string.h>

#include "append_impl.h"
#include "lf/clock.h"
#include "lf/marker.h"
#include "lf/txn_page.h"

typedef struct part {
    lf_log *log;
    int32_t index;          /* among the caller's */
    bool locked;            /* its writer lock */
    bool marked;            /* a marker is written, or under way; its producers are locked */
    bool written;
    lf_stretch stretch;
    uint8_t marker[LF_MARKER_BYTES];
} part;

typedef struct ending {
    int64_t producer_id, now;
    int32_t coordinator_epoch;
    int16_t epoch;
    bool commit;
    const lf_hold *holds;
    int32_t n_holds;
    uint64_t held_table;
} ending;

/* The same order in all processes, so that two never wait for each other. */
static int by_lock(const void *a, const void *b) {
    int64_t x = ((const part *)a)->log->lock_byte, y = ((const part *)b)->log->lock_byte;
    return (x > y) - (x < y);
}

static int lock_all(part *parts, int32_t n, int32_t *at, lf_error *e) {
    int rc = LF_OK;
    for (*at = 0; !rc && *at < n; (*at)++) {
        part *p = &parts[*at];
        if (*at && p->log->lock_byte == parts[*at - 1].log->lock_byte)
            rc = lf_fail(e, LF_E_TXN_STATE, 0, p->log->dir, -1, "the same partition twice");
        else rc = lf_log_lock(p->log, e);
        if (rc) break;
        p->locked = true;
    }
    return rc;
}

static void unlock_all(part *parts, int32_t n) {
    for (int32_t i = n - 1; i >= 0; i--)
        if (parts[i].locked) lf_log_unlock(parts[i].log);
}

static int is_open(const part *p, const ending *end, bool *open, lf_error *e) {
    lf_producers *producers = p->log->producers;
    pthread_mutex_lock(&producers->mu);
    int rc = lf_producers_catch_up(p->log, e);
    const lf_producer *w = rc ? NULL : lf_producers_find(producers, end->producer_id);
    *open = w && w->txn_first >= 0;
    pthread_mutex_unlock(&producers->mu);
    return rc;
}

/* Everything but publishing. Its producers stay locked. */
static int write_marker(part *p, const ending *end, lf_error *e) {
    lf_log *log = p->log;
    lf_producers *producers = log->producers;
    char why[sizeof e->reason];
    lf_batch b;
    lf_marker_put(p->marker, end->producer_id, end->epoch, end->coordinator_epoch, end->commit, end->now);
    int rc = lf_stretch_begin(log, p->marker, LF_MARKER_BYTES, log->config.append_time ? end->now : LF_NO_TIMESTAMP, &p->stretch, e);
    if (rc) return rc;
    pthread_mutex_lock(&producers->mu);
    p->marked = true;
    rc = lf_producers_catch_up(log, e);
    if (!rc && lf_producers_begin(producers)) rc = lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "producers");
    if (rc) return rc;
    lf_batch_parse(p->marker, 0, &b);
    rc = lf_producers_take(producers, &b, LF_FROM_COORDINATOR, why, sizeof why);
    if (rc) {
        lf_fail(e, rc, 0, log->dir, -1, rc == LF_E_NOMEM ? "producers" : why);
        e->offset = end->producer_id;
        return rc;
    }
    rc = lf_stretch_write(log, &p->stretch, false, e);
    if (rc) return rc;
    p->written = true;
    LF_FAILPOINT_RAISE("txn.marker_written", log, e);
    return lf_txn_index_append(log, p->stretch.segment->base_offset, producers->aborted, producers->n_aborted, e);
}

static void take_back(part *parts, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        part *p = &parts[i];
        if (!p->marked) continue;
        if (p->log->producers->recording) lf_producers_rollback(p->log->producers);
        if (p->written) {
            lf_error ignored;
            lf_stretch_cut(p->log, &p->stretch);
            /* An entry of a marker that is none would hide what comes to lie there. If it cannot go now, the lock's next
             * owner sees to it. */
            if (lf_txn_index_cut(p->log, p->stretch.segment->base_offset, p->stretch.offset, &ignored))
                atomic_store(&p->log->state->unrepaired, 1);
        }
        pthread_mutex_unlock(&p->log->producers->mu);
        p->marked = false;
    }
}

/* What is hidden from now on, before anything else is shown; what is shown from now on, behind the rest. */
static void hold(const ending *end, bool hidden) {
    for (int32_t i = 0; i < end->n_holds; i++) {
        lf_state *st = end->holds[i].state;
        if ((end->holds[i].first < atomic_load(&st->first_held)) != hidden) continue;
        atomic_store(&st->held_table, end->held_table);
        atomic_store(&st->first_held, end->holds[i].first);
        LF_FAILPOINT("held.half");
    }
}

static void publish_all(lf_txn_page *page, part *parts, int32_t n, const ending *end) {
    /* Who died in here left it odd: it becomes even when what it began has been finished. */
    uint64_t odd = page ? atomic_load(&page->sequence) | 1 : 0;
    if (page) atomic_store(&page->sequence, odd);
    hold(end, true);
    for (int32_t i = 0; i < n; i++) {
        const lf_stretch *s = &parts[i].stretch;
        if (!parts[i].marked) continue;
        lf_produce_announce(parts[i].log, s);
        lf_stretch_settle(parts[i].log, s);
        atomic_store(&parts[i].log->state->end_offset, s->offset + s->count);
        LF_FAILPOINT("txn.half_published");
    }
    for (int32_t i = 0; i < n; i++) {
        if (!parts[i].marked) continue;
        lf_produce_settle(parts[i].log, &parts[i].stretch);
        atomic_store(&parts[i].log->state->first_unstable, lf_producers_unstable(parts[i].log->producers));
        LF_FAILPOINT("txn.half_stable");
    }
    hold(end, false);
    if (page) atomic_store(&page->sequence, odd + 1);
    LF_FAILPOINT("txn.published");
    for (int32_t i = 0; i < end->n_holds; i++)
        if (atomic_load(&end->holds[i].state->waiting)) lf_state_wake(end->holds[i].state);
    for (int32_t i = 0; i < n; i++) {
        if (!parts[i].marked) continue;
        if (atomic_load(&parts[i].log->state->waiting)) lf_state_wake(parts[i].log->state);
        pthread_mutex_unlock(&parts[i].log->producers->mu);
    }
}

static int complete(lf_txn_page *page, part *parts, int32_t n, const ending *end, int64_t *offsets, int32_t *at, lf_error *e) {
    int rc = lock_all(parts, n, at, e);
    for (int32_t i = 0; !rc && i < n; i++) {
        bool open = false;
        *at = i;
        rc = is_open(&parts[i], end, &open, e);
        if (!rc && open) rc = write_marker(&parts[i], end, e);
    }
    if (!rc && LF_FAILPOINT("txn.before_publish") == LF_FP_RAISE) rc = lf_fail(e, LF_E_FAILPOINT, 0, "", -1, "txn.before_publish");
    for (int32_t i = 0; i < n; i++) offsets[parts[i].index] = !rc && parts[i].marked ? parts[i].stretch.offset : -1;
    if (rc) take_back(parts, n);
    else publish_all(page, parts, n, end);
    unlock_all(parts, n);
    return rc;
}

static part *take_parts(lf_log *const *logs, int32_t n) {
    part *parts = calloc((size_t)n + 1, sizeof *parts);
    for (int32_t i = 0; parts && i < n; i++) {
        parts[i].log = logs[i];
        parts[i].index = i;
    }
    if (parts && n) qsort(parts, (size_t)n, sizeof *parts, by_lock);
    return parts;
}

int lf_txn_complete(lf_txn_page *page, lf_log *const *logs, int32_t n, int64_t producer_id, int16_t epoch,
                    int32_t coordinator_epoch, bool commit, const lf_hold *holds, int32_t n_holds, uint64_t held_table,
                    int64_t *offsets, int32_t *failed, lf_error *e) {
    ending end = {producer_id, lf_now_ms(), coordinator_epoch, epoch, commit, holds, n_holds, held_table};
    int32_t at = 0;
    part *parts = take_parts(logs, n);
    if (!parts) return lf_fail(e, LF_E_NOMEM, 0, "", -1, "transaction");
    int rc = complete(page, parts, n, &end, offsets, &at, e);
    *failed = rc && at < n ? parts[at].index : 0;
    free(parts);
    return rc;
}

static int extent_of(lf_log *log, int64_t producer_id, lf_extent *out, lf_error *e) {
    lf_producers *p = log->producers;
    *out = (lf_extent){-1, -1, INT64_MAX, atomic_load(&log->state->first_held)};
    if (atomic_load(&log->state->first_unstable) == INT64_MAX) return LF_OK;
    pthread_mutex_lock(&p->mu);
    int rc = lf_producers_catch_up(log, e);
    const lf_producer *w = rc ? NULL : lf_producers_find(p, producer_id);
    if (w && w->txn_first >= 0) {
        out->first = w->txn_first;
        out->end = w->n_batches ? w->batches[w->n_batches - 1].last_offset + 1 : atomic_load(&log->state->end_offset);
    }
    for (int32_t i = 0; !rc && i < p->n_open && out->other == INT64_MAX; i++)
        if (p->open[i].producer_id != producer_id) out->other = p->open[i].first;
    pthread_mutex_unlock(&p->mu);
    return rc;
}

int lf_txn_extents(lf_log *const *logs, int32_t n, int64_t producer_id, lf_extent *out, int32_t *failed, lf_error *e) {
    int rc = LF_OK;
    for (int32_t i = 0; !rc && i < n; i++) {
        *failed = i;
        rc = extent_of(logs[i], producer_id, &out[i], e);
    }
    return rc;
}

static int reserve_one(lf_log *log, lf_error *e) {
    int rc = lf_log_lock(log, e);
    if (rc) return rc;
    int64_t end = atomic_load(&log->state->end_position);
    if (end && end + LF_MARKER_BYTES > log->config.segment_bytes) {
        rc = lf_log_roll_locked(log, atomic_load(&log->state->end_offset), e);
        end = 0;
    }
    if (!rc) rc = lf_log_prepare(log, lf_segment_active(log), end + LF_MARKER_BYTES, e);
    lf_log_unlock(log);
    return rc;
}

int lf_txn_reserve(lf_log *const *logs, int32_t n, int32_t *failed, lf_error *e) {
    int rc = LF_OK;
    *failed = 0;
    for (int32_t i = 0; !rc && i < n; i++) {
        rc = reserve_one(logs[i], e);
        if (rc) *failed = i;
    }
    return rc;
}
