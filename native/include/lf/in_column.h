/* A column of byte strings that a caller hands in: numpy's fixed width, Arrow's binary layouts. */
#ifndef LF_IN_COLUMN_H
#define LF_IN_COLUMN_H

#include <stdint.h>
#include <string.h>

enum { LF_IN_FIXED, LF_IN_PADDED, LF_IN_OFFSETS32, LF_IN_OFFSETS64, LF_IN_VIEWS, LF_IN_POINTERS };

/* Arrow's 16-byte view: up to 12 bytes inline, else four of prefix, a buffer and a place in it. */
typedef struct lf_in_view {
    int32_t len;
    uint8_t head[4];
    int32_t buffer;
    int32_t at;
} lf_in_view;

/* A byte string somewhere in memory; length -1: null. */
typedef struct lf_in_bytes {
    const uint8_t *at;
    int64_t length;
} lf_in_bytes;

typedef struct lf_in_column {
    int kind;
    int64_t n;
    const uint8_t *data;            /* FIXED, PADDED: first item; OFFSETS: the bytes */
    int64_t stride;                 /* FIXED, PADDED: bytes from item to item */
    int64_t width;                  /* FIXED: bytes of an item; PADDED: with the NULs behind it */
    const void *offsets;            /* OFFSETS: n + 1 ends, `first` already skipped; VIEWS: lf_in_view[n]; POINTERS: lf_in_bytes[n] */
    const uint8_t *const *buffers;  /* VIEWS: the data buffers */
    const uint8_t *validity;        /* a bit an item, 1 = not null; NULL: none is null */
    int64_t first_bit;              /* of item 0 in `validity` */
} lf_in_column;

/* Bytes of item `i`, or -1 for null; *p is where they are. The column was checked when it was taken in. */
static inline int64_t lf_in_get(const lf_in_column *c, int64_t i, const uint8_t **p) {
    if (c->validity) {
        int64_t bit = c->first_bit + i;
        if (!(c->validity[bit >> 3] >> (bit & 7) & 1)) return -1;
    }
    switch (c->kind) {
    case LF_IN_FIXED:
        *p = c->data + i * c->stride;
        return c->width;
    case LF_IN_PADDED: {
        int64_t length = c->width;
        *p = c->data + i * c->stride;
        while (length && !(*p)[length - 1]) length--;
        return length;
    }
    case LF_IN_OFFSETS32: {
        const int32_t *o = (const int32_t *)c->offsets;
        *p = c->data + o[i];
        return (int64_t)o[i + 1] - o[i];
    }
    case LF_IN_OFFSETS64: {
        const int64_t *o = (const int64_t *)c->offsets;
        *p = c->data + o[i];
        return o[i + 1] - o[i];
    }
    case LF_IN_POINTERS: {
        const lf_in_bytes *b = (const lf_in_bytes *)c->offsets + i;
        *p = b->at;
        return b->length;
    }
    default: {
        const lf_in_view *v = (const lf_in_view *)c->offsets + i;
        *p = v->len <= 12 ? v->head : c->buffers[v->buffer] + v->at;
        return v->len;
    }
    }
}

#endif
