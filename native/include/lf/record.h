/* One record into memory (FORMAT.md, "Record"): what an append of any kind comes down to. */
#ifndef LF_RECORD_H
#define LF_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lf/varint.h"

/* Most bytes that a record takes in a batch beside its key, value and headers: six varints and the attributes. */
#define LF_RECORD_OVERHEAD_MAX 36

/* Sixteen bytes at any address: as memcpy, gcc 12 takes each by way of the stack. */
typedef uint8_t lf_sixteen __attribute__((vector_size(16), aligned(1), may_alias));

/* Short copies, done in line: a call of memcpy costs about as much as the copy of a hundred bytes. */
static inline void lf_copy(uint8_t *to, const uint8_t *from, size_t n) {
    if (n >= 16 && n <= 256) {
        size_t last = n - 16;
        for (size_t i = 0; i < last; i += 16) *(lf_sixteen *)(to + i) = *(const lf_sixteen *)(from + i);
        /* Overlaps what is there already, with the same bytes. */
        *(lf_sixteen *)(to + last) = *(const lf_sixteen *)(from + last);
    } else if (n >= 8 && n < 16) {
        uint64_t head, tail;
        memcpy(&head, from, 8);
        memcpy(&tail, from + n - 8, 8);
        memcpy(to, &head, 8);
        memcpy(to + n - 8, &tail, 8);
    } else if (n) {
        memcpy(to, from, n);
    }
}

static inline uint8_t *lf_put_bytes(uint8_t *to, const uint8_t *from, int64_t n) {
    to = lf_put_varint(to, n);
    if (n <= 0) return to;
    lf_copy(to, from, (size_t)n);
    return to + n;
}

/* Puts record `index` of its batch at `p`, which has room for LF_RECORD_OVERHEAD_MAX and its bytes; returns its end.
 * `delta`: ms since the batch's first record. Lengths of -1 are nulls. The last `headers_len` bytes are left for the
 * caller to write the headers to, encoded: bytes just written elsewhere would be slow to copy. */
static inline uint8_t *lf_put_record(uint8_t *p, int32_t index, int64_t delta, const uint8_t *key, int64_t key_len,
                                     const uint8_t *value, int64_t value_len, size_t headers_len, int32_t headers_count) {
    /* The length stands before what it counts. How many bytes it needs is nearly always clear beforehand, and
     * sparing the sum over all fields spares a third of the work; where it was not, the record moves. */
    size_t payload = (key_len > 0 ? (size_t)key_len : 0) + (value_len > 0 ? (size_t)value_len : 0) + headers_len;
    int room = lf_varint_size((int64_t)payload + 8);
    uint8_t *body = p + room, *end = body;
    *end++ = 0; /* attributes: unused in v2 */
    end = lf_put_varint(end, delta);
    end = lf_put_varint(end, index);
    end = lf_put_bytes(end, key, key_len);
    end = lf_put_bytes(end, value, value_len);
    end = lf_put_varint(end, headers_count) + headers_len;
    int64_t length = end - body;
    int needed = lf_varint_size(length);
    if (__builtin_expect(needed != room, 0)) {
        memmove(p + needed, body, (size_t)length);
        end += needed - room;
    }
    lf_put_varint(p, length);
    return end;
}

#endif
