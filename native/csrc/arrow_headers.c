/* Headers as Arrow's list<struct<key: utf8, value: bytes>>. The decoder has walked these bytes once: every
 * length in them stays inside its batch. */
#include <stdlib.h>
#include <string.h>

#include "arrow_block.h"
#include "lf/varint.h"

/* Where the headers of row `row` (their count) begin: right behind its value. */
static inline const uint8_t *headers_at(const lf_rows *rows, const uint8_t *base, int32_t row) {
    int32_t n = rows->c.value_len[row];
    return base + rows->c.value_at[row] + (n > 0 ? n : 0);
}

/* Bytes of the UTF-8 sequence at `p`, 0 when it is none (RFC 3629: no surrogates, nothing overlong). */
static size_t utf8_length(const uint8_t *p, size_t n) {
    uint8_t c = p[0], low = 0x80, high = 0xBF;
    size_t more;
    if (c < 0x80) return 1;
    if (c >= 0xC2 && c <= 0xDF) more = 1;
    else if (c >= 0xE0 && c <= 0xEF) more = 2;
    else if (c >= 0xF0 && c <= 0xF4) more = 3;
    else return 0;
    if (c == 0xE0) low = 0xA0;
    if (c == 0xED) high = 0x9F;
    if (c == 0xF0) low = 0x90;
    if (c == 0xF4) high = 0x8F;
    if (n <= more || p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i <= more; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    return more + 1;
}

/* Copies a name; each byte that is no UTF-8 becomes U+FFFD, since consumers trust a utf8 column blindly. */
static uint8_t *put_name(uint8_t *to, const uint8_t *p, size_t n) {
    while (n) {
        size_t k = utf8_length(p, n);
        if (k) {
            memcpy(to, p, k);
            to += k;
        } else {
            memcpy(to, "\xEF\xBF\xBD", 3);
            to += 3;
            k = 1;
        }
        p += k;
        n -= k;
    }
    return to;
}

#define NAME_GROWTH 3   /* bytes of U+FFFD for one that is replaced */

typedef struct counted {
    int64_t headers, name_bytes;
} counted;

static counted count_headers(const lf_rows *rows, const lf_run *runs, int32_t n_runs, int32_t first, int32_t *ends) {
    counted all = {0, 0};
    ends[0] = 0;
    for (int32_t r = 0; r < n_runs; r++) {
        const uint8_t *limit = runs[r].base + runs[r].size;
        for (int32_t i = runs[r].from; i < runs[r].to; i++) {
            const uint8_t *p = headers_at(rows, runs[r].base, first + i);
            if (__builtin_expect(*p != 0, 0)) {
                int32_t count = 0, n = 0;
                p = lf_get_varint(p, limit, &count);
                all.headers += count;
                while (count--) {
                    p = lf_get_varint(p, limit, &n);
                    all.name_bytes += n;
                    p = lf_get_varint(p + n, limit, &n);
                    if (n > 0) p += n;
                }
            }
            ends[i + 1] = (int32_t)all.headers;
        }
    }
    return all;
}

/* Names into their column, places of the values into at and len; out_runs are runs of headers, not of rows. */
static void collect(const lf_rows *rows, const lf_run *runs, int32_t n_runs, int32_t first, int32_t *name_ends, uint8_t *names,
                    uint32_t *at, int32_t *len, lf_run *out_runs) {
    uint8_t *to = names;
    int32_t k = 0;
    name_ends[0] = 0;
    for (int32_t r = 0; r < n_runs; r++) {
        const uint8_t *limit = runs[r].base + runs[r].size;
        out_runs[r] = runs[r];
        out_runs[r].from = k;
        for (int32_t i = runs[r].from; i < runs[r].to; i++) {
            const uint8_t *p = headers_at(rows, runs[r].base, first + i);
            int32_t count = 0, n = 0;
            p = lf_get_varint(p, limit, &count);
            for (; count > 0; count--, k++) {
                p = lf_get_varint(p, limit, &n);
                to = put_name(to, p, (size_t)n);
                name_ends[k + 1] = (int32_t)(to - names);
                p = lf_get_varint(p + n, limit, &n);
                at[k] = (uint32_t)(p - runs[r].base);
                len[k] = n;
                if (n > 0) p += n;
            }
        }
        out_runs[r].to = k;
    }
}

int lf_block_headers(lf_block *b, struct ArrowArray *node, const lf_run *runs, int32_t n_runs, int32_t from, int32_t n,
                     lf_arrow_kind kind) {
    const bool plain = b->rows->c.plain;
    size_t ends_size = ((size_t)n + 1) * sizeof(int32_t);
    int32_t *ends = (int32_t *)(plain ? lf_block_zeroed(b, ends_size) : lf_block_alloc(b, ends_size));
    if (!ends) return LF_E_NOMEM;
    counted all = {0, 0};
    if (!plain) all = count_headers(b->rows, runs, n_runs, from, ends);
    if (all.headers > INT32_MAX || all.name_bytes > INT32_MAX / NAME_GROWTH) return LF_E_TOO_LARGE;
    size_t count = (size_t)all.headers;
    int32_t *name_ends = (int32_t *)lf_block_alloc(b, (count + 1) * sizeof *name_ends);
    uint8_t *names = (uint8_t *)lf_block_alloc(b, (size_t)all.name_bytes * NAME_GROWTH);
    uint32_t *at = (uint32_t *)malloc((count + 1) * sizeof *at);
    int32_t *len = (int32_t *)malloc((count + 1) * sizeof *len);
    lf_run *value_runs = (lf_run *)malloc(((size_t)n_runs + 1) * sizeof *value_runs);
    int rc = LF_E_NOMEM;
    if (name_ends && names && at && len && value_runs) {
        name_ends[0] = 0;
        if (count) collect(b->rows, runs, n_runs, from, name_ends, names, at, len, value_runs);
        struct ArrowArray *item = lf_block_node(b, all.headers, 1);
        struct ArrowArray *name = lf_block_node(b, all.headers, 3);
        struct ArrowArray *value = lf_block_node(b, all.headers, 3);
        name->buffers[1] = name_ends;
        name->buffers[2] = names;
        node->buffers[1] = ends;
        node->n_children = 1;
        node->children = &b->children[item - b->nodes];
        item->n_children = 2;
        item->children = &b->children[name - b->nodes];
        rc = lf_block_bytes(b, value, value_runs, count ? n_runs : 0, at, len, (int32_t)count, kind);
    }
    free(at);
    free(len);
    free(value_runs);
    return rc;
}
