/* Transactions after a crash: the log alone decides which are open, and which were aborted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lf/transactions.h"
#include "txn_impl.h"

/* From which offset on there may be producers; INT64_MAX: there are none. */
static int64_t where_producers_begin(const lf_log *log, bool snapshots) {
    const lf_recovery *r = &log->recovery;
    int64_t from = atomic_load(&log->state->producers_from), end = atomic_load(&log->state->end_offset);
    bool all_scanned = !log->n_segments || r->scan_base == log->segments[0]->base_offset;
    if (!r->producers_known) return snapshots || r->saw_producers || !all_scanned ? 0 : INT64_MAX;
    /* The page may be an older one than the segments; whatever it does not know of was scanned, or a Kafka wrote it. */
    if (from == INT64_MAX) return snapshots ? 0 : r->saw_producers ? r->scan_base : INT64_MAX;
    return from < end ? from : end;
}

/* `walked`: all markers from here on are in p->aborted. */
static int settle_indexes(lf_log *log, const lf_producers *p, int64_t walked, lf_error *e) {
    int rc = LF_OK;
    int32_t at = 0;
    for (int32_t i = 0; !rc && i < log->n_segments; i++) {
        int64_t base = log->segments[i]->base_offset;
        int64_t end = i + 1 < log->n_segments ? log->segments[i + 1]->base_offset : atomic_load(&log->state->end_offset);
        if (base < walked) continue;
        while (at < p->n_aborted && p->aborted[at].last < base) at++;
        int32_t n = 0;
        while (at + n < p->n_aborted && p->aborted[at + n].last < end) n++;
        rc = lf_txn_index_compare(log, base, end, p->aborted + at, n, e);
        log->segments[i]->txn_checked = true;
        at += n;
    }
    return rc;
}

int lf_txn_recover(lf_log *log, lf_error *e) {
    lf_state *st = log->state;
    lf_producers *p = log->producers;
    bool snapshots;
    int rc = lf_snapshots_cut(log, atomic_load(&st->end_offset), &snapshots, e);
    if (rc) return rc;
    atomic_store(&st->first_unstable, INT64_MAX);
    atomic_store(&st->producers_from, where_producers_begin(log, snapshots));
    if (atomic_load(&st->producers_from) == INT64_MAX) return LF_OK;
    pthread_mutex_lock(&p->mu);
    p->collecting = true;
    rc = lf_producers_build(log, p, log->recovery.scan_base, e);
    int64_t walked = p->cursor.next_offset;
    if (!rc) rc = lf_producers_walk(log, p, INT64_MAX, e);
    if (!rc) rc = settle_indexes(log, p, walked, e);
    if (!rc && walked < atomic_load(&st->start_offset)) {
        /* What was deleted below the start, a newer snapshot still tells: who opens the partition next will read that. */
        p->collecting = false;
        p->n_aborted = 0;
        rc = lf_producers_build(log, p, atomic_load(&st->end_offset), e);
        if (!rc) rc = lf_producers_walk(log, p, INT64_MAX, e);
    }
    if (!rc) atomic_store(&st->first_unstable, lf_producers_unstable(p));
    p->collecting = false;
    p->n_aborted = 0;
    pthread_mutex_unlock(&p->mu);
    return rc;
}

int lf_txn_take_over(lf_log *log, lf_error *e) {
    lf_state *st = log->state;
    lf_producers *p = log->producers;
    if (atomic_load(&st->producers_from) == INT64_MAX) return LF_OK;
    int rc = lf_txn_index_cut(log, atomic_load(&st->active_base), atomic_load(&st->end_offset), e);
    pthread_mutex_lock(&p->mu);
    if (!rc) rc = lf_producers_catch_up(log, e);
    if (!rc) lf_state_publish_unstable(st, lf_producers_unstable(p));
    pthread_mutex_unlock(&p->mu);
    return rc;
}

int lf_txn_seal(lf_log *log, int64_t base, int64_t offset, lf_error *e) {
    pthread_mutex_lock(&log->producers->mu);
    int rc = lf_producers_snapshot(log, offset, e);
    pthread_mutex_unlock(&log->producers->mu);
    return rc ? rc : lf_txn_index_sync(log, base, e);
}

int lf_txn_replay(lf_log *log, int64_t from, int64_t to, lf_aborted **out, int32_t *n, lf_error *e) {
    lf_producers *p;
    *out = NULL;
    *n = 0;
    if (lf_producers_new(&p)) return lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "producers");
    p->collecting = true;
    int rc = lf_producers_build(log, p, from, e);
    if (!rc) rc = lf_producers_walk(log, p, to, e);
    int32_t skip = 0;
    while (!rc && skip < p->n_aborted && p->aborted[skip].last < from) skip++;
    int32_t count = rc ? 0 : p->n_aborted - skip;
    if (count && !(*out = malloc((size_t)count * sizeof **out))) rc = lf_fail(e, LF_E_NOMEM, 0, log->dir, -1, "transactions");
    if (!rc && count) {
        memcpy(*out, p->aborted + skip, (size_t)count * sizeof **out);
        *n = count;
    }
    lf_producers_free(p);
    return rc;
}
