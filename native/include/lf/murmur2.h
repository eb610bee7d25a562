/* Kafka's murmur2: the hash that chooses a keyed record's partition in the Java client.
   Source: the 32-bit MurmurHash2 of A. Appleby with Kafka's seed; lengths and lanes little-endian. */
#ifndef LF_MURMUR2_H
#define LF_MURMUR2_H

#include <stddef.h>
#include <stdint.h>

#define LF_MURMUR2_SEED 0x9747b28cu

static inline uint32_t lf_murmur2_lane(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The hash as Java holds it, but unsigned: cast to int32_t for Java's number. */
static inline uint32_t lf_murmur2(const void *data, size_t n) {
    const uint32_t m = 0x5bd1e995u;
    const uint8_t *p = (const uint8_t *)data;
    uint32_t h = LF_MURMUR2_SEED ^ (uint32_t)n;
    for (; n >= 4; p += 4, n -= 4) {
        uint32_t k = lf_murmur2_lane(p) * m;
        k ^= k >> 24;
        h = h * m ^ k * m;
    }
    switch (n) {
    case 3: h ^= (uint32_t)p[2] << 16; /* fall through */
    case 2: h ^= (uint32_t)p[1] << 8;  /* fall through */
    case 1: h = (h ^ p[0]) * m;
    }
    h ^= h >> 13;
    h *= m;
    return h ^ h >> 15;
}

/* The partition Kafka's default partitioner gives a keyed record; partitions must be > 0. */
static inline int32_t lf_murmur2_partition(const void *key, size_t n, int32_t partitions) {
    return (int32_t)((lf_murmur2(key, n) & 0x7fffffffu) % (uint32_t)partitions);
}

#endif
