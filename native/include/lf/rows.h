/* The rows of a batch with all that keeps their bytes valid, counted: whoever holds a reference needs neither
 * the Python object nor the GIL, so an Arrow consumer may drop its last one in any thread, at any time. */
#ifndef LF_ROWS_H
#define LF_ROWS_H

#include <stdatomic.h>
#include <stdint.h>

#include "lf/part.h"
#include "lf/records.h"

typedef struct lf_rows {
    _Atomic int32_t refs;
    int32_t n_parts;
    lf_columns c;
    lf_part *parts;
} lf_rows;

/* Takes over the columns and the parts; they do not change any more. NULL: no memory, nothing taken. */
static inline lf_rows *lf_rows_new(const lf_columns *c, lf_part *parts, int32_t n_parts) {
    lf_rows *r = (lf_rows *)malloc(sizeof *r);
    if (!r) return NULL;
    atomic_init(&r->refs, 1);
    r->c = *c;
    r->parts = parts;
    r->n_parts = n_parts;
    return r;
}

static inline lf_rows *lf_rows_ref(lf_rows *r) {
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

static inline void lf_rows_unref(lf_rows *r) {
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1) return;
    for (int32_t i = 0; i < r->n_parts; i++) {
        lf_segment_unref(r->parts[i].segment);
        lf_heap_unref(r->parts[i].heap);
    }
    free(r->parts);
    lf_columns_free(&r->c);
    free(r);
}

#endif
