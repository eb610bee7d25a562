/* Record batches v2 as Kafka lays them out (docs/FORMAT.md), written the straightforward way: what the benchmarks
 * call "the limit". Nothing is shared with native/, so that a mistake there cannot hide here. */
#ifndef LIMITS_BATCH_H
#define LIMITS_BATCH_H

#include <isa-l/crc.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

enum { HEADER = 61, CRC_FROM = 21, OVERHEAD = 12, RECORD_MAX_EXTRA = 40, BATCH_BYTES = 64 << 10 };

static inline void put32(uint8_t *p, uint32_t v) { v = __builtin_bswap32(v); memcpy(p, &v, 4); }
static inline void put64(uint8_t *p, uint64_t v) { v = __builtin_bswap64(v); memcpy(p, &v, 8); }
static inline uint32_t get32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return __builtin_bswap32(v); }
static inline uint64_t get64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return __builtin_bswap64(v); }

static inline uint8_t *put_varint(uint8_t *p, int64_t signed_value) {
    uint64_t v = ((uint64_t)signed_value << 1) ^ (uint64_t)(signed_value >> 63);
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

static inline const uint8_t *get_varint(const uint8_t *p, int64_t *out) {
    uint64_t v = 0;
    for (int shift = 0;; shift += 7) {
        uint8_t byte = *p++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) break;
    }
    *out = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
    return p;
}

static inline int varint_size(int64_t signed_value) {
    uint64_t v = ((uint64_t)signed_value << 1) ^ (uint64_t)(signed_value >> 63);
    int n = 1;
    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

static inline int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* One record without key and headers, created at the batch's base timestamp. */
static inline uint8_t *put_record(uint8_t *p, const uint8_t *value, int64_t size, int64_t offset_delta) {
    int64_t body = 1 + 1 + varint_size(offset_delta) + 1 + varint_size(size) + size + 1;
    p = put_varint(p, body);
    *p++ = 0; /* attributes */
    *p++ = 0; /* timestamp delta */
    p = put_varint(p, offset_delta);
    *p++ = 1; /* no key: -1 in zigzag */
    p = put_varint(p, size);
    memcpy(p, value, (size_t)size);
    p += size;
    *p++ = 0; /* no headers */
    return p;
}

/* Fills in the header of the batch that ends at `end`. */
static inline void seal_batch(uint8_t *batch, const uint8_t *end, int64_t base_offset, int32_t count, int64_t time_ms) {
    put64(batch, (uint64_t)base_offset);
    put32(batch + 8, (uint32_t)(end - batch - OVERHEAD));
    put32(batch + 12, 0); /* leader epoch */
    batch[16] = 2;        /* magic */
    memset(batch + 21, 0, 2);
    put32(batch + 23, (uint32_t)(count - 1));
    put64(batch + 27, (uint64_t)time_ms);
    put64(batch + 35, (uint64_t)time_ms);
    memset(batch + 43, 0xff, 14); /* no producer id, epoch, sequence */
    put32(batch + 57, (uint32_t)count);
    put32(batch + 17, ~crc32_iscsi((unsigned char *)batch + CRC_FROM, (int)(end - batch - CRC_FROM), 0xffffffffu));
}

#endif
