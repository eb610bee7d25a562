/* Byte strings as Arrow's views into the log, or copied behind each other. */
#include <stdlib.h>
#include <string.h>

#include "arrow_block.h"
#include "lf/in_column.h"

#define AHEAD 16        /* items between the one being written and the one being fetched */
#define INLINE_MAX 12   /* Arrow: a view holds up to so many bytes itself */

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "views are written as the little-endian words that the supported platforms have"
#endif

/* One data buffer of the array: the stretch behind `base` that views point into. */
typedef struct target {
    const uint8_t *base;
    uint32_t low, high;
    int32_t index;
} target;

/* Gives every run its target; runs of one base share one, however they alternate (look-ups do). */
static target *assign_targets(lf_run *runs, int32_t n_runs, int32_t *n_targets) {
    size_t slots = 2;
    while (slots < 2 * (size_t)n_runs) slots *= 2;
    target *targets = (target *)malloc((size_t)(n_runs ? n_runs : 1) * sizeof *targets);
    int32_t *table = (int32_t *)calloc(slots, sizeof *table);   /* target + 1, 0: free */
    int32_t n = 0;
    if (!targets || !table) {
        free(targets);
        free(table);
        return NULL;
    }
    for (int32_t r = 0; r < n_runs; r++) {
        size_t slot = ((uintptr_t)runs[r].base >> 4) * 0x9E3779B97F4A7C15u >> 20 & (slots - 1);
        while (table[slot] && targets[table[slot] - 1].base != runs[r].base) slot = (slot + 1) & (slots - 1);
        if (!table[slot]) {
            targets[n] = (target){.base = runs[r].base, .low = UINT32_MAX};
            table[slot] = ++n;
        }
        runs[r].buffer = table[slot] - 1;
    }
    free(table);
    *n_targets = n;
    return targets;
}

/* What of its base each target covers, so that a consumer that counts or copies buffers sees no whole segment. */
static void measure(target *targets, const lf_run *runs, int32_t n_runs, const uint32_t *at, const int32_t *len) {
    for (int32_t r = 0; r < n_runs; r++) {
        target *t = &targets[runs[r].buffer];
        uint32_t low = t->low, high = t->high;
        for (int32_t i = runs[r].from; i < runs[r].to; i++) {
            bool far = len[i] > INLINE_MAX;
            uint32_t first = far ? at[i] : UINT32_MAX, end = far ? at[i] + (uint32_t)len[i] : 0;
            low = first < low ? first : low;
            high = end > high ? end : high;
        }
        t->low = low;
        t->high = high;
    }
}

static inline void put_inline(lf_in_view *v, const uint8_t *p, uint32_t n, size_t readable) {
    uint64_t head = 0;
    uint32_t tail = 0;
    if (__builtin_expect(readable >= INLINE_MAX, 1)) {
        memcpy(&head, p, 8);
        memcpy(&tail, p + 8, 4);
        if (n <= 8) tail = 0;
        else tail &= 0xffffffffu >> 8 * (INLINE_MAX - n);
        if (n < 8) head &= ((uint64_t)1 << 8 * n) - 1;
    } else {
        uint8_t bytes[INLINE_MAX] = {0};
        memcpy(bytes, p, n);
        memcpy(&head, bytes, 8);
        memcpy(&tail, bytes + 8, 4);
    }
    v->len = (int32_t)n;
    memcpy(v->head, &head, 4);
    v->buffer = (int32_t)(head >> 32);
    v->at = (int32_t)tail;
}

static void put_views(lf_in_view *views, const target *targets, const lf_run *runs, int32_t n_runs, const uint32_t *at,
                      const int32_t *len) {
    for (int32_t r = 0; r < n_runs; r++) {
        const lf_run *run = &runs[r];
        const target *t = &targets[run->buffer];
        for (int32_t i = run->from; i < run->to; i++) {
            lf_in_view *v = &views[i];
            /* The items lie too far apart for the processor to guess that their first bytes are wanted. */
            if (i + AHEAD < run->to) __builtin_prefetch(run->base + at[i + AHEAD]);
            const uint8_t *p = run->base + at[i];
            if (len[i] > INLINE_MAX) {
                v->len = len[i];
                memcpy(v->head, p, 4);
                v->buffer = t->index;
                v->at = (int32_t)(at[i] - t->low);
            } else if (len[i] > 0) {
                put_inline(v, p, (uint32_t)len[i], run->size - at[i]);
            } else {
                memset(v, 0, sizeof *v);
            }
        }
    }
}

static int as_views(lf_block *b, struct ArrowArray *node, lf_run *runs, int32_t n_runs, const uint32_t *at, const int32_t *len,
                    int32_t n) {
    int32_t n_targets = 0, used = 0;
    target *targets = assign_targets(runs, n_runs, &n_targets);
    if (!targets) return LF_E_NOMEM;
    if (node->null_count < n) measure(targets, runs, n_runs, at, len);
    for (int32_t t = 0; t < n_targets; t++)
        if (targets[t].high) targets[t].index = used++;
    size_t views_size = (size_t)n * sizeof(lf_in_view);
    bool all_null = node->null_count == n;
    lf_in_view *views = (lf_in_view *)(all_null ? lf_block_zeroed(b, views_size) : lf_block_alloc(b, views_size));
    const void **buffers = (const void **)lf_block_alloc(b, ((size_t)used + 3) * sizeof *buffers);
    int64_t *sizes = (int64_t *)lf_block_alloc(b, (size_t)used * sizeof *sizes);
    if (!views || !buffers || !sizes) {
        free(targets);
        return LF_E_NOMEM;
    }
    if (!all_null) put_views(views, targets, runs, n_runs, at, len);
    buffers[0] = node->buffers[0];
    buffers[1] = views;
    for (int32_t t = 0; t < n_targets; t++) {
        if (!targets[t].high) continue;
        buffers[2 + targets[t].index] = targets[t].base + targets[t].low;
        sizes[targets[t].index] = (int64_t)targets[t].high - targets[t].low;
    }
    buffers[2 + used] = sizes;
    node->n_buffers = 3 + used;
    node->buffers = buffers;
    free(targets);
    return LF_OK;
}

static int as_copies(lf_block *b, struct ArrowArray *node, const lf_run *runs, int32_t n_runs, const uint32_t *at,
                     const int32_t *len, int32_t n, bool large) {
    int64_t total = 0;
    void *offsets = lf_block_alloc(b, ((size_t)n + 1) * (large ? 8 : 4));
    if (!offsets) return LF_E_NOMEM;
    for (int32_t i = 0; i <= n; i++) {
        if (large) ((int64_t *)offsets)[i] = total;
        else ((int32_t *)offsets)[i] = (int32_t)total;
        if (i < n && len[i] > 0) total += len[i];
    }
    if (!large && total > INT32_MAX) return LF_E_TOO_LARGE;
    uint8_t *data = (uint8_t *)lf_block_alloc(b, (size_t)total), *to = data;
    if (!data) return LF_E_NOMEM;
    for (int32_t r = 0; r < n_runs; r++) {
        for (int32_t i = runs[r].from; i < runs[r].to; i++) {
            if (len[i] <= 0) continue;
            memcpy(to, runs[r].base + at[i], (size_t)len[i]);
            to += len[i];
        }
    }
    node->buffers[1] = offsets;
    node->buffers[2] = data;
    return LF_OK;
}

static int put_validity(lf_block *b, struct ArrowArray *node, const int32_t *len, int32_t n) {
    int32_t nulls = 0;
    for (int32_t i = 0; i < n; i++) nulls += len[i] < 0;
    node->null_count = nulls;
    if (!nulls) return LF_OK;
    uint8_t *bits = (uint8_t *)lf_block_zeroed(b, ((size_t)n + 7) / 8);
    if (!bits) return LF_E_NOMEM;
    for (int32_t i = 0; i < n && nulls < n; i++) bits[i >> 3] |= (uint8_t)((len[i] >= 0) << (i & 7));
    node->buffers[0] = bits;
    return LF_OK;
}

int lf_block_bytes(lf_block *b, struct ArrowArray *node, lf_run *runs, int32_t n_runs, const uint32_t *at, const int32_t *len,
                   int32_t n, lf_arrow_kind kind) {
    int rc = put_validity(b, node, len, n);
    if (rc) return rc;
    if (kind == LF_ARROW_VIEWS) return as_views(b, node, runs, n_runs, at, len, n);
    return as_copies(b, node, runs, n_runs, at, len, n, kind == LF_ARROW_LARGE);
}
