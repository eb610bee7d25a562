/* Producers of one partition: the table, and Kafka's rules (ProducerAppendInfo) of what may follow what. */
#include "lf/producers.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lf/marker.h"

#define GROW(array, n, cap) ((n) < (cap) ? LF_OK : grow((void **)&(array), &(cap), sizeof *(array)))

static int grow(void **array, int32_t *cap, size_t item) {
    int32_t more = *cap ? *cap * 2 : 8;
    void *p = more < 0 ? NULL : realloc(*array, (size_t)more * item);
    if (!p) return LF_E_NOMEM;
    *array = p;
    *cap = more;
    return LF_OK;
}

int lf_producers_new(lf_producers **out) {
    lf_producers *p = calloc(1, sizeof *p);
    if (!p) return LF_E_NOMEM;
    pthread_mutex_init(&p->mu, NULL);
    *out = p;
    return LF_OK;
}

void lf_producers_clear(lf_producers *p) {
    free(p->slots);
    p->slots = NULL;
    p->n_slots = p->cap_slots = 0;
    p->n_open = p->n_aborted = p->n_undo = 0;
    p->built = p->recording = p->collecting = false;
    lf_cursor_release(&p->cursor);
}

void lf_producers_free(lf_producers *p) {
    if (!p) return;
    lf_producers_clear(p);
    free(p->open);
    free(p->undo);
    free(p->open_before);
    free(p->aborted);
    pthread_mutex_destroy(&p->mu);
    free(p);
}

/* ---- the table ---- */

static lf_producer *place_of(const lf_producers *p, int64_t id) {
    size_t i = (size_t)((uint64_t)id * 0x9e3779b97f4a7c15ULL >> 32) & (p->cap_slots - 1);
    while (p->slots[i].id >= 0 && p->slots[i].id != id) i = (i + 1) & (p->cap_slots - 1);
    return &p->slots[i];
}

lf_producer *lf_producers_find(const lf_producers *p, int64_t id) {
    if (!p->cap_slots || id < 0) return NULL;
    lf_producer *w = place_of(p, id);
    return w->id >= 0 && w->epoch >= 0 ? w : NULL;
}

/* Room for `cap` places; only those that `keeps` are taken over. */
static int rehash(lf_producers *p, size_t cap, bool (*keeps)(const lf_producer *, const int64_t *), const int64_t *arg) {
    lf_producer *old = p->slots;
    size_t n = p->cap_slots;
    lf_producer *slots = malloc(cap * sizeof *slots);
    if (!slots) return LF_E_NOMEM;
    for (size_t i = 0; i < cap; i++) slots[i].id = -1;
    p->slots = slots;
    p->cap_slots = cap;
    p->n_slots = 0;
    for (size_t i = 0; i < n; i++) {
        if (old[i].id < 0 || (keeps && !keeps(&old[i], arg))) continue;
        *place_of(p, old[i].id) = old[i];
        p->n_slots++;
    }
    free(old);
    return LF_OK;
}

lf_producer *lf_producers_of(lf_producers *p, int64_t id) {
    if ((p->n_slots + 1) * 2 > p->cap_slots && rehash(p, p->cap_slots ? p->cap_slots * 2 : 16, NULL, NULL)) return NULL;
    lf_producer *w = place_of(p, id);
    if (w->id < 0) {
        memset(w, 0, sizeof *w);
        w->id = id;
        w->last_timestamp = LF_NO_TIMESTAMP;
        w->txn_first = w->coordinator_epoch = -1;
        w->epoch = -1;
        p->n_slots++;
    }
    return w;
}

static bool is_alive(const lf_producer *w, const int64_t *since) {
    return w->epoch >= 0 && (w->txn_first >= 0 || w->last_timestamp > *since);
}

int lf_producers_expire(lf_producers *p, int64_t now_ms, int64_t expiration_ms) {
    int64_t since = now_ms - expiration_ms;
    size_t gone = 0;
    for (size_t i = 0; i < p->cap_slots; i++) gone += p->slots[i].id >= 0 && !is_alive(&p->slots[i], &since);
    return gone ? rehash(p, p->cap_slots, is_alive, &since) : LF_OK;
}

/* ---- transactions ---- */

int lf_producers_open_txn(lf_producers *p, lf_producer *w, int64_t first) {
    if (GROW(p->open, p->n_open, p->cap_open)) return LF_E_NOMEM;
    int32_t i = p->n_open++;
    for (; i > 0 && p->open[i - 1].first > first; i--) p->open[i] = p->open[i - 1]; /* entries of a snapshot come unsorted */
    p->open[i] = (lf_open_txn){w->id, first, false};
    w->txn_first = first;
    return LF_OK;
}

static int end_txn(lf_producers *p, lf_producer *w, int64_t last, bool commit) {
    for (int32_t i = 0; i < p->n_open; i++) {
        if (p->open[i].producer_id != w->id) continue;
        memmove(p->open + i, p->open + i + 1, (size_t)(p->n_open - i - 1) * sizeof *p->open);
        p->n_open--;
        break;
    }
    int64_t first = w->txn_first;
    w->txn_first = -1;
    if (commit || !p->collecting) return LF_OK;
    if (GROW(p->aborted, p->n_aborted, p->cap_aborted)) return LF_E_NOMEM;
    p->aborted[p->n_aborted++] = (lf_aborted){w->id, first, last, p->n_open ? p->open[0].first : last + 1};
    return LF_OK;
}

/* ---- batches ---- */

static int check_epoch(const lf_producer *w, const lf_batch *b, char *why, size_t n) {
    if (w->epoch < 0 || b->producer_epoch >= w->epoch) return LF_OK;
    snprintf(why, n, "producer %" PRId64 " has epoch %d here, the batch has %d", w->id, w->epoch, b->producer_epoch);
    return LF_E_FENCED;
}

static int check_sequence(const lf_producer *w, const lf_batch *b, char *why, size_t n) {
    if (w->epoch < 0) return LF_OK; /* forgotten or never seen: it may begin anywhere */
    bool anew = b->producer_epoch != w->epoch;
    int32_t last = anew || !w->n_batches ? -1 : w->batches[w->n_batches - 1].last_sequence;
    int32_t expected = lf_sequence_add(last, 1);
    if (b->base_sequence == expected) return LF_OK;
    snprintf(why, n, "producer %" PRId64 ", epoch %d: the batch begins at sequence %" PRId32 ", expected is %" PRId32, w->id,
             b->producer_epoch, b->base_sequence, expected);
    return LF_E_OUT_OF_SEQUENCE;
}

static void set_epoch(lf_producer *w, int16_t epoch) {
    if (w->epoch != epoch) w->n_batches = 0;
    w->epoch = epoch;
}

static int take_data(lf_producers *p, lf_producer *w, const lf_batch *b, lf_origin origin, char *why, size_t n) {
    bool transactional = b->attributes & LF_ATTR_TRANSACTIONAL;
    if (origin != LF_FROM_LOG) {
        int rc = check_epoch(w, b, why, n);
        if (!rc) rc = check_sequence(w, b, why, n);
        if (rc) return rc;
        if (w->txn_first >= 0 && !transactional) {
            snprintf(why, n, "producer %" PRId64 " sends outside its transaction, open since offset %" PRId64, w->id, w->txn_first);
            return LF_E_TXN_STATE;
        }
    }
    set_epoch(w, b->producer_epoch);
    if (w->n_batches == LF_PRODUCER_BATCHES) {
        memmove(w->batches, w->batches + 1, (LF_PRODUCER_BATCHES - 1) * sizeof *w->batches);
        w->n_batches--;
    }
    int64_t delta = b->last_offset - b->base_offset;
    w->batches[w->n_batches++] =
        (lf_producer_batch){b->last_offset, b->max_timestamp, lf_sequence_add(b->base_sequence, delta), (int32_t)delta};
    w->last_timestamp = b->max_timestamp;
    /* Of an empty one compaction kept the header alone: its marker may be gone, and nothing is left to wait for. */
    return transactional && b->count && w->txn_first < 0 ? lf_producers_open_txn(p, w, b->base_offset) : LF_OK;
}

static int take_marker(lf_producers *p, lf_producer *w, const lf_batch *b, lf_origin origin, char *why, size_t n) {
    int32_t coordinator;
    int kind = lf_marker_parse(b, &coordinator);
    if (kind != LF_MARKER_ABORT && kind != LF_MARKER_COMMIT) return LF_OK;
    if (origin != LF_FROM_LOG) {
        int rc = check_epoch(w, b, why, n);
        if (rc) return rc;
        if (w->coordinator_epoch > coordinator) {
            snprintf(why, n, "producer %" PRId64 " was last ended by coordinator epoch %" PRId32 ", the marker has %" PRId32, w->id,
                     w->coordinator_epoch, coordinator);
            return LF_E_COORDINATOR;
        }
    }
    int rc = w->txn_first >= 0 ? end_txn(p, w, b->last_offset, kind == LF_MARKER_COMMIT) : LF_OK;
    set_epoch(w, b->producer_epoch);
    w->coordinator_epoch = coordinator;
    w->last_timestamp = b->max_timestamp;
    return rc;
}

static int remember(lf_producers *p, const lf_producer *w) {
    for (int32_t i = p->n_undo - 1; i >= 0; i--)
        if (p->undo[i].id == w->id) return LF_OK;
    if (GROW(p->undo, p->n_undo, p->cap_undo)) return LF_E_NOMEM;
    p->undo[p->n_undo++] = *w;
    return LF_OK;
}

int lf_producers_take(lf_producers *p, const lf_batch *b, lf_origin origin, char *why, size_t n) {
    if (b->producer_id < 0) return LF_OK;
    lf_producer *w = lf_producers_of(p, b->producer_id);
    if (!w || (p->recording && remember(p, w))) return LF_E_NOMEM;
    return b->attributes & LF_ATTR_CONTROL ? take_marker(p, w, b, origin, why, n) : take_data(p, w, b, origin, why, n);
}

bool lf_producers_duplicate(const lf_producers *p, const lf_batch *b, int64_t *base_offset, int64_t *last_offset) {
    const lf_producer *w = lf_producers_find(p, b->producer_id);
    if (!w || w->epoch != b->producer_epoch || b->attributes & LF_ATTR_CONTROL) return false;
    int32_t delta = (int32_t)(b->last_offset - b->base_offset), last = lf_sequence_add(b->base_sequence, delta);
    for (int i = 0; i < w->n_batches; i++) {
        const lf_producer_batch *known = &w->batches[i];
        if (known->last_sequence != last || known->offset_delta != delta) continue;
        *last_offset = known->last_offset;
        *base_offset = known->last_offset - known->offset_delta;
        return true;
    }
    return false;
}

/* ---- taking back ---- */

int lf_producers_begin(lf_producers *p) {
    while (p->cap_open_before < p->n_open)
        if (grow((void **)&p->open_before, &p->cap_open_before, sizeof *p->open_before)) return LF_E_NOMEM;
    if (p->n_open) memcpy(p->open_before, p->open, (size_t)p->n_open * sizeof *p->open);
    p->n_open_before = p->n_open;
    p->n_undo = p->n_aborted = 0;
    p->recording = p->collecting = true;
    return LF_OK;
}

void lf_producers_rollback(lf_producers *p) {
    /* One that was new stays as a place of which nothing is known. */
    for (int32_t i = 0; i < p->n_undo; i++) *place_of(p, p->undo[i].id) = p->undo[i];
    p->n_open = p->n_open_before; /* the array never shrinks */
    if (p->n_open) memcpy(p->open, p->open_before, (size_t)p->n_open * sizeof *p->open);
    lf_producers_commit(p);
}

void lf_producers_commit(lf_producers *p) {
    p->n_undo = p->n_aborted = 0;
    p->recording = p->collecting = false;
}
