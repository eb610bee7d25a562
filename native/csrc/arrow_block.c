#include "arrow_block.h"

#include <stdlib.h>
#include <string.h>

lf_block *lf_block_new(lf_rows *rows) {
    lf_block *b = (lf_block *)malloc(sizeof *b);
    if (!b) return NULL;
    atomic_init(&b->refs, 1);
    b->n_nodes = b->n_owned = 0;
    b->rows = lf_rows_ref(rows);
    return b;
}

void lf_block_unref(lf_block *b) {
    if (atomic_fetch_sub(&b->refs, 1) != 1) return;
    for (int32_t i = 0; i < b->n_owned; i++) free(b->owned[i]);
    lf_rows_unref(b->rows);
    free(b);
}

void *lf_block_alloc(lf_block *b, size_t size) {
    if (b->n_owned == LF_BLOCK_OWNED) return NULL;
    void *p = aligned_alloc(64, (size + 63 + !size) & ~(size_t)63);
    if (p) b->owned[b->n_owned++] = p;
    return p;
}

void *lf_block_zeroed(lf_block *b, size_t size) {
    if (b->n_owned == LF_BLOCK_OWNED) return NULL;
    void *p = calloc((size + 63 + !size) / 64, 64);
    if (p) b->owned[b->n_owned++] = p;
    return p;
}

/* Children that the consumer moved out have their release set to NULL in the parent, and live on. */
static void release_node(struct ArrowArray *a) {
    lf_block *b = (lf_block *)a->private_data;
    for (int64_t i = 0; i < a->n_children; i++)
        if (a->children[i]->release) a->children[i]->release(a->children[i]);
    if (a->dictionary && a->dictionary->release) a->dictionary->release(a->dictionary);
    a->release = NULL;
    lf_block_unref(b);
}

struct ArrowArray *lf_block_node(lf_block *b, int64_t length, int n_buffers) {
    int32_t i = b->n_nodes++;
    struct ArrowArray *a = &b->nodes[i];
    memset(b->buffers[i], 0, sizeof b->buffers[i]);
    *a = (struct ArrowArray){
        .length = length, .n_buffers = n_buffers, .buffers = b->buffers[i], .release = release_node, .private_data = b,
    };
    b->children[i] = a;
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return a;
}

int lf_block_validity64(lf_block *b, const int64_t *field, int32_t n, int64_t null, const void **bits, int64_t *nulls) {
    int32_t count = 0;
    for (int32_t i = 0; i < n; i++) count += field[i] == null;
    *nulls = count;
    *bits = NULL;
    if (!count) return LF_OK;
    uint8_t *out = (uint8_t *)lf_block_zeroed(b, ((size_t)n + 7) / 8);
    if (!out) return LF_E_NOMEM;
    for (int32_t i = 0; i < n; i++) out[i >> 3] |= (uint8_t)((field[i] != null) << (i & 7));
    *bits = out;
    return LF_OK;
}
