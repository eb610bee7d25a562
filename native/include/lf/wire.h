/* Kafka's request and response fields, both forms: the old one with fixed lengths, and the flexible one with
 * varints and tags (KIP-482). PROTOCOL.md, "Fields".
 *
 * A reader never goes beyond its end: the first field that does not fit makes it `bad`, and from then on all fields
 * are zero. Whoever reads looks at `bad` once, at the end, and at each count before a loop. */
#ifndef LF_WIRE_H
#define LF_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lf/batch_layout.h"
#include "lf/varint.h"

#define LF_UUID_BYTES 16

typedef struct lf_wire {
    const uint8_t *p, *end;
    bool flexible, bad;
} lf_wire;

static inline const uint8_t *lf_wire_take(lf_wire *w, int64_t n) {
    if (w->bad || n < 0 || n > w->end - w->p) {
        w->bad = true;
        return NULL;
    }
    const uint8_t *at = w->p;
    w->p += n;
    return at;
}
static inline int8_t lf_wire_i8(lf_wire *w) {
    const uint8_t *p = lf_wire_take(w, 1);
    return p ? (int8_t)*p : 0;
}
static inline int16_t lf_wire_i16(lf_wire *w) {
    const uint8_t *p = lf_wire_take(w, 2);
    return p ? (int16_t)lf_get16(p) : 0;
}
static inline int32_t lf_wire_i32(lf_wire *w) {
    const uint8_t *p = lf_wire_take(w, 4);
    return p ? (int32_t)lf_get32(p) : 0;
}
static inline int64_t lf_wire_i64(lf_wire *w) {
    const uint8_t *p = lf_wire_take(w, 8);
    return p ? (int64_t)lf_get64(p) : 0;
}
static inline uint32_t lf_wire_uvarint(lf_wire *w) {
    uint64_t u = 0;
    const uint8_t *p = w->bad ? NULL : lf_get_uvarint(w->p, w->end, 5, &u);
    if (!p || u > UINT32_MAX) {
        w->bad = true;
        return 0;
    }
    w->p = p;
    return (uint32_t)u;
}
/* A length or a count: -1 for null. */
static inline int64_t lf_wire_length(lf_wire *w, int fixed_bytes) {
    if (w->flexible) return (int64_t)lf_wire_uvarint(w) - 1;
    return fixed_bytes == 2 ? lf_wire_i16(w) : lf_wire_i32(w);
}
/* The bytes of a string (`fixed_bytes` 2) or of a blob (4). *length -1 and NULL for null. */
static inline const uint8_t *lf_wire_blob(lf_wire *w, int fixed_bytes, int32_t *length) {
    int64_t n = lf_wire_length(w, fixed_bytes);
    *length = w->bad || n < 0 ? -1 : (int32_t)n;
    if (w->bad || n == -1) return NULL;
    const uint8_t *at = lf_wire_take(w, n > INT32_MAX ? -1 : n);
    if (!at) *length = -1;
    return at;
}
/* An array's count; null counts as none. `item_bytes`: the least that an item takes, so that a count which cannot
 * be is refused before anything is allocated. */
static inline int32_t lf_wire_count(lf_wire *w, int item_bytes) {
    int64_t n = lf_wire_length(w, 4);
    if (n < -1 || (n > 0 && n > (w->end - w->p) / item_bytes)) w->bad = true;
    return w->bad || n < 0 ? 0 : (int32_t)n;
}
static inline void lf_wire_tags(lf_wire *w) {
    if (!w->flexible) return;
    for (uint32_t n = lf_wire_uvarint(w); n && !w->bad; n--) {
        lf_wire_uvarint(w);
        lf_wire_take(w, lf_wire_uvarint(w));
    }
}

/* ---- writing: into memory that grows; `bad` when there is none ---- */

typedef struct lf_wire_out {
    uint8_t *buf;
    size_t len, cap;
    bool flexible, bad;
} lf_wire_out;

static inline uint8_t *lf_wire_room(lf_wire_out *o, size_t n) {
    if (o->bad) return NULL;
    if (o->len + n > o->cap) {
        size_t cap = o->cap ? o->cap : 256;
        while (cap < o->len + n) cap *= 2;
        uint8_t *more = (uint8_t *)realloc(o->buf, cap);
        if (!more) {
            o->bad = true;
            return NULL;
        }
        o->buf = more;
        o->cap = cap;
    }
    uint8_t *at = o->buf + o->len;
    o->len += n;
    return at;
}
static inline void lf_wire_put_i8(lf_wire_out *o, int8_t v) {
    uint8_t *p = lf_wire_room(o, 1);
    if (p) *p = (uint8_t)v;
}
static inline void lf_wire_put_i16(lf_wire_out *o, int16_t v) {
    uint8_t *p = lf_wire_room(o, 2);
    if (p) lf_put16(p, (uint16_t)v);
}
static inline void lf_wire_put_i32(lf_wire_out *o, int32_t v) {
    uint8_t *p = lf_wire_room(o, 4);
    if (p) lf_put32(p, (uint32_t)v);
}
static inline void lf_wire_put_i64(lf_wire_out *o, int64_t v) {
    uint8_t *p = lf_wire_room(o, 8);
    if (p) lf_put64(p, (uint64_t)v);
}
static inline void lf_wire_put_raw(lf_wire_out *o, const void *data, size_t n) {
    uint8_t *p = lf_wire_room(o, n);
    if (p && n) memcpy(p, data, n);
}
static inline void lf_wire_put_uvarint(lf_wire_out *o, uint32_t v) {
    uint8_t *p = lf_wire_room(o, 5);
    if (p) o->len = (size_t)(lf_put_uvarint(p, v) - o->buf);
}
/* The length of what follows; -1: null. */
static inline void lf_wire_put_length(lf_wire_out *o, int fixed_bytes, int64_t n) {
    if (o->flexible) lf_wire_put_uvarint(o, (uint32_t)(n + 1));
    else if (fixed_bytes == 2) lf_wire_put_i16(o, (int16_t)n);
    else lf_wire_put_i32(o, (int32_t)n);
}
/* `data` NULL: null. */
static inline void lf_wire_put_string(lf_wire_out *o, const void *data, int32_t n) {
    lf_wire_put_length(o, 2, data ? n : -1);
    if (data) lf_wire_put_raw(o, data, (size_t)n);
}
static inline void lf_wire_put_tags(lf_wire_out *o) {
    if (o->flexible) lf_wire_put_i8(o, 0);
}
/* Room for the size, and the head; the size is filled in by lf_wire_finish(). */
static inline void lf_wire_begin(lf_wire_out *o, int32_t correlation_id) {
    lf_wire_put_i32(o, 0);
    lf_wire_put_i32(o, correlation_id);
    lf_wire_put_tags(o);
}
/* `outside`: bytes that are sent between or behind the buffer's own. */
static inline void lf_wire_finish(lf_wire_out *o, int64_t outside) {
    if (!o->bad) lf_put32(o->buf, (uint32_t)((int64_t)o->len - 4 + outside));
}

#endif
