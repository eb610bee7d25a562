/* What rows of a batch point into: a mapped segment, or a buffer that a batch was decompressed to. */
#ifndef LF_PART_H
#define LF_PART_H

#include <stdatomic.h>
#include <stdlib.h>

#include "lf/log.h"

typedef struct lf_heap {
    _Atomic int32_t refs;
    uint8_t *bytes;
} lf_heap;

typedef struct lf_part {
    const uint8_t *base;
    size_t len;
    lf_segment *segment;    /* one of the two keeps `base` valid */
    lf_heap *heap;
    int32_t first_row;
    int32_t partition;
    int32_t topic;          /* index into the batch's list of topics */
} lf_part;

/* Takes over `bytes`. NULL: no memory, bytes freed. */
static inline lf_heap *lf_heap_new(uint8_t *bytes) {
    lf_heap *h = (lf_heap *)malloc(sizeof *h);
    if (!h) {
        free(bytes);
        return NULL;
    }
    atomic_init(&h->refs, 1);
    h->bytes = bytes;
    return h;
}

static inline lf_heap *lf_heap_ref(lf_heap *h) {
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    return h;
}

static inline void lf_heap_unref(lf_heap *h) {
    if (h && atomic_fetch_sub(&h->refs, 1) == 1) {
        free(h->bytes);
        free(h);
    }
}


#endif
