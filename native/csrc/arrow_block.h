/* Memory of one exported Arrow array with all its children: freed when the last of them is released, since a
 * consumer may move a child out and release the rest. */
#ifndef LF_ARROW_BLOCK_H
#define LF_ARROW_BLOCK_H

#include "lf/arrow_abi.h"
#include "lf/arrow_export.h"

#define LF_BLOCK_NODES 12   /* struct, topic and its dictionary, 5 columns, headers: list, struct, key, value */
#define LF_BLOCK_OWNED 32

typedef struct lf_block {
    _Atomic int32_t refs;
    int32_t n_nodes, n_owned;
    lf_rows *rows;
    struct ArrowArray nodes[LF_BLOCK_NODES];
    struct ArrowArray *children[LF_BLOCK_NODES];
    const void *buffers[LF_BLOCK_NODES][3];
    void *owned[LF_BLOCK_OWNED];
} lf_block;

/* A stretch of items whose bytes lie in one buffer. */
typedef struct lf_run {
    const uint8_t *base;
    size_t size;            /* readable bytes behind base */
    int32_t from, to;       /* items */
    int32_t buffer;         /* set by lf_block_bytes */
} lf_run;

lf_block *lf_block_new(lf_rows *rows);
void lf_block_unref(lf_block *b);
/* Memory that lives as long as the block, aligned for any vector; NULL: none left. */
void *lf_block_alloc(lf_block *b, size_t size);
/* The next node: `length` items, `n_buffers` (at most 3) empty buffers. It holds a reference to the block. */
struct ArrowArray *lf_block_node(lf_block *b, int64_t length, int n_buffers);
/* Fills a node with byte strings: item i is len[i] bytes at its run's base + at[i], null when len[i] < 0. */
int lf_block_bytes(lf_block *b, struct ArrowArray *node, lf_run *runs, int32_t n_runs, const uint32_t *at, const int32_t *len,
                   int32_t n, lf_arrow_kind kind);
/* The list<struct<key, value>> of headers of rows [from, from + n); three nodes below it. */
int lf_block_headers(lf_block *b, struct ArrowArray *node, const lf_run *runs, int32_t n_runs, int32_t from, int32_t n,
                     lf_arrow_kind kind);
/* As lf_block_alloc, all zeroes: large ones are pages that nobody touches before they are read. */
void *lf_block_zeroed(lf_block *b, size_t size);
/* A validity bitmap of items that are not null where field[i] != null; *bits is NULL when none is null. */
int lf_block_validity64(lf_block *b, const int64_t *field, int32_t n, int64_t null, const void **bits, int64_t *nulls);

#endif
