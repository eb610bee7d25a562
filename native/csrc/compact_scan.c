/* Which producers and transactions a log has: headers are walked once, from its first segment to its end. */
#include <stdlib.h>
#include <string.h>

#include "compact_impl.h"

#define GROW(array, n, cap) ((n) < (cap) ? LF_OK : lf_array_grow((void **)&(array), &(cap), sizeof *(array)))

int lf_array_grow(void **array, int32_t *cap, size_t item) {
    int32_t more = *cap ? *cap * 2 : 16;
    if (more < 0) return LF_E_NOMEM;
    void *p = realloc(*array, (size_t)more * item);
    if (!p) return LF_E_NOMEM;
    *array = p;
    *cap = more;
    return LF_OK;
}

static lf_producer_seen *find(const lf_history *h, int64_t id) {
    size_t i = (size_t)((uint64_t)id * 0x9e3779b97f4a7c15ULL) & (h->cap_producers - 1);
    while (h->producers[i].id >= 0 && h->producers[i].id != id) i = (i + 1) & (h->cap_producers - 1);
    return &h->producers[i];
}

static int more_producers(lf_history *h) {
    size_t old_cap = h->cap_producers;
    lf_producer_seen *old = h->producers;
    h->cap_producers = old_cap ? old_cap * 2 : 64;
    h->producers = malloc(h->cap_producers * sizeof *h->producers);
    if (!h->producers) {
        h->producers = old;
        h->cap_producers = old_cap;
        return LF_E_NOMEM;
    }
    for (size_t i = 0; i < h->cap_producers; i++) h->producers[i].id = -1;
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].id >= 0) *find(h, old[i].id) = old[i];
    free(old);
    return LF_OK;
}

static int producer_of(lf_history *h, int64_t id, lf_producer_seen **out) {
    if ((h->n_producers + 1) * 2 > h->cap_producers && more_producers(h)) return LF_E_NOMEM;
    lf_producer_seen *p = find(h, id);
    if (p->id < 0) {
        *p = (lf_producer_seen){.id = id, .last_data = -1, .last_time = LF_NO_TIMESTAMP, .epoch = -1};
        h->n_producers++;
    }
    *out = p;
    return LF_OK;
}

static int end_transaction(lf_history *h, const lf_batch *b, int marker) {
    for (int32_t i = 0; i < h->n_open; i++) {
        if (h->open[i].producer_id != b->producer_id) continue;
        int64_t first = h->open[i].first;
        memmove(h->open + i, h->open + i + 1, (size_t)(h->n_open - i - 1) * sizeof *h->open);
        h->n_open--;
        if (marker != LF_MARKER_ABORT) return LF_OK;
        if (GROW(h->aborted, h->n_aborted, h->cap_aborted)) return LF_E_NOMEM;
        int64_t stable = h->n_open ? h->open[0].first : b->last_offset + 1;
        h->aborted[h->n_aborted++] = (lf_aborted){b->producer_id, first, b->last_offset, stable};
        return LF_OK;
    }
    return LF_OK; /* of its batches none is left */
}

static int begin_transaction(lf_history *h, const lf_batch *b) {
    for (int32_t i = 0; i < h->n_open; i++) {
        if (h->open[i].producer_id != b->producer_id) continue;
        h->open[i].empty &= !b->count;
        return LF_OK;
    }
    if (GROW(h->open, h->n_open, h->cap_open)) return LF_E_NOMEM;
    h->open[h->n_open++] = (lf_open_txn){b->producer_id, b->base_offset, !b->count};
    return LF_OK;
}

static int note(lf_history *h, const lf_batch *b) {
    lf_producer_seen *p;
    if (b->producer_id < 0) return LF_OK;
    int rc = producer_of(h, b->producer_id, &p);
    if (rc) return rc;
    if (b->producer_epoch != p->epoch) p->last_data = -1; /* sequences begin anew */
    p->epoch = b->producer_epoch;
    p->last_time = b->max_timestamp;
    if (b->attributes & LF_ATTR_CONTROL) {
        int marker = lf_marker_parse(b, NULL);
        return marker == LF_MARKER_ABORT || marker == LF_MARKER_COMMIT ? end_transaction(h, b, marker) : LF_OK;
    }
    p->last_data = b->last_offset;
    return b->attributes & LF_ATTR_TRANSACTIONAL ? begin_transaction(h, b) : LF_OK;
}

static int by_first(const void *a, const void *b) {
    int64_t x = ((const lf_aborted *)a)->first, y = ((const lf_aborted *)b)->first;
    return (x > y) - (x < y);
}

static int scan_piece(lf_cleaner *c, const lf_piece *p) {
    lf_batch b;
    int64_t expected = p->segment->base_offset;
    for (int64_t at = 0; at < p->end; at += b.size, expected = b.last_offset + 1) {
        int rc = lf_piece_batch(c, p, at, expected, false, &b);
        if (!rc && note(&c->history, &b)) rc = lf_fail(c->e, LF_E_NOMEM, 0, c->log->dir, -1, "transactions");
        if (!rc) rc = lf_cleaner_tick(c, LF_BATCH_RECORDS_AT);
        if (rc) return rc;
    }
    return LF_OK;
}

int lf_history_scan(lf_cleaner *c) {
    lf_history *h = &c->history;
    int rc = more_producers(h) ? lf_fail(c->e, LF_E_NOMEM, 0, c->log->dir, -1, "producers") : LF_OK;
    for (int32_t i = 0; !rc && i < c->n_pieces; i++) {
        rc = scan_piece(c, &c->pieces[i]);
        if (rc == LF_E_CORRUPT && c->pieces[i].segment->base_offset >= c->job->uncleanable) {
            /* What is not compacted now need not be whole. A marker behind the damage is not seen, so that its
             * transaction counts as open: nothing from its first record on is touched. */
            rc = LF_OK;
            break;
        }
    }
    if (!rc && h->n_aborted) qsort(h->aborted, (size_t)h->n_aborted, sizeof *h->aborted, by_first);
    return rc;
}

void lf_history_free(lf_history *h) {
    free(h->producers);
    free(h->open);
    free(h->aborted);
    memset(h, 0, sizeof *h);
}

bool lf_history_last_of_producer(const lf_cleaner *c, const lf_batch *b) {
    if (b->producer_id < 0) return false;
    const lf_producer_seen *p = find(&c->history, b->producer_id);
    if (p->id < 0 || c->job->now_ms - p->last_time >= c->job->producer_expiration_ms) return false;
    if (p->last_data >= 0) return b->last_offset == p->last_data;
    /* Only its markers are left: they tell the epoch, below which it is fenced. */
    return (b->attributes & LF_ATTR_CONTROL) && b->producer_epoch == p->epoch;
}

int lf_txn_walk_begin(lf_txn_walk *w, const lf_history *h, int64_t from) {
    lf_txn_walk_free(w);
    w->history = h;
    size_t n = (size_t)h->n_aborted + 1;
    w->aborting = calloc(n, sizeof *w->aborting);
    w->has_data = calloc(n, sizeof *w->has_data);
    if (!w->aborting || !w->has_data) return LF_E_NOMEM;
    for (int32_t i = 0; i < h->n_aborted && h->aborted[i].first < from; i++) {
        if (h->aborted[i].last >= from) w->aborting[w->n_aborting++] = &h->aborted[i];
        w->next_aborted = i + 1;
    }
    return LF_OK;
}

void lf_txn_walk_free(lf_txn_walk *w) {
    free(w->aborting);
    free(w->has_data);
    free(w->committing);
    memset(w, 0, sizeof *w);
}

static void take_up(lf_txn_walk *w, int64_t offset) {
    const lf_history *h = w->history;
    while (w->next_aborted < h->n_aborted && h->aborted[w->next_aborted].first <= offset) {
        w->has_data[w->n_aborting] = false;
        w->aborting[w->n_aborting++] = &h->aborted[w->next_aborted++];
    }
}

int lf_txn_walk_data(lf_txn_walk *w, const lf_batch *b, bool *aborted) {
    *aborted = false;
    if (!(b->attributes & LF_ATTR_TRANSACTIONAL)) return LF_OK;
    take_up(w, b->last_offset);
    for (int32_t i = 0; i < w->n_aborting; i++) {
        if (w->aborting[i]->producer != b->producer_id || w->aborting[i]->last < b->base_offset) continue;
        w->has_data[i] = *aborted = true;
        return LF_OK;
    }
    for (int32_t i = 0; i < w->n_committing; i++)
        if (w->committing[i] == b->producer_id) return LF_OK;
    if (GROW(w->committing, w->n_committing, w->cap_committing)) return LF_E_NOMEM;
    w->committing[w->n_committing++] = b->producer_id;
    return LF_OK;
}

void lf_txn_walk_marker(lf_txn_walk *w, const lf_batch *b, bool *empty, const lf_aborted **retained) {
    int marker = lf_marker_parse(b, NULL);
    *empty = marker != LF_MARKER_OTHER;
    *retained = NULL;
    take_up(w, b->last_offset);
    for (int32_t i = 0; marker == LF_MARKER_ABORT && i < w->n_aborting; i++) {
        if (w->aborting[i]->producer != b->producer_id) continue;
        if (w->has_data[i]) {
            *empty = false;
            *retained = w->aborting[i];
        }
        w->n_aborting--;
        w->aborting[i] = w->aborting[w->n_aborting];
        w->has_data[i] = w->has_data[w->n_aborting];
        return;
    }
    for (int32_t i = 0; marker == LF_MARKER_COMMIT && i < w->n_committing; i++) {
        if (w->committing[i] != b->producer_id) continue;
        *empty = false;
        w->committing[i] = w->committing[--w->n_committing];
        return;
    }
}
