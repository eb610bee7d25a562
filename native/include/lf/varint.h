/* Zigzag varints as Kafka's records use them (FORMAT.md, "Record"). */
#ifndef LF_VARINT_H
#define LF_VARINT_H

#include <stdint.h>
#include <string.h>

static inline uint64_t lf_zigzag(int64_t v) { return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63); }
static inline int64_t lf_unzigzag(uint64_t u) { return (int64_t)(u >> 1) ^ -(int64_t)(u & 1); }

/* Bytes that the unsigned value needs, 1..10. The division by 7 is a multiply and a shift. */
static inline int lf_uvarint_size(uint64_t u) {
    int bits = 64 - __builtin_clzll(u | 1);
    return (bits * 37 + 222) >> 8;
}
static inline int lf_varint_size(int64_t v) { return lf_uvarint_size(lf_zigzag(v)); }

static inline uint8_t *lf_put_uvarint(uint8_t *p, uint64_t u) {
    while (u >= 0x80) {
        *p++ = (uint8_t)(u | 0x80);
        u >>= 7;
    }
    *p++ = (uint8_t)u;
    return p;
}
static inline uint8_t *lf_put_varint(uint8_t *p, int64_t v) { return lf_put_uvarint(p, lf_zigzag(v)); }

/* Reads at most `max_bytes` bytes (5 for an int, 10 for a long); NULL when truncated or too long. */
static inline const uint8_t *lf_get_uvarint(const uint8_t *p, const uint8_t *end, int max_bytes, uint64_t *out) {
    uint64_t u = 0;
    for (int i = 0; i < max_bytes; i++) {
        if (p >= end) return NULL;
        uint8_t b = *p++;
        u |= (uint64_t)(b & 0x7f) << (7 * i);
        if (b < 0x80) {
            *out = u;
            return p;
        }
    }
    return NULL;
}

static inline const uint8_t *lf_get_varlong(const uint8_t *p, const uint8_t *end, int64_t *out) {
    uint64_t u;
    if (p < end && *p < 0x80) {
        *out = lf_unzigzag(*p);
        return p + 1;
    }
    p = lf_get_uvarint(p, end, 10, &u);
    if (p) *out = lf_unzigzag(u);
    return p;
}

static inline const uint8_t *lf_get_varint(const uint8_t *p, const uint8_t *end, int32_t *out) {
    uint64_t u;
    if (p < end && *p < 0x80) {
        *out = (int32_t)lf_unzigzag(*p);
        return p + 1;
    }
    p = lf_get_uvarint(p, end, 5, &u);
    if (p) *out = (int32_t)lf_unzigzag(u & 0xffffffffu);
    return p;
}

#endif
