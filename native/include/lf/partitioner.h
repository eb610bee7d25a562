/* Which partition a key belongs to. */
#ifndef LF_PARTITIONER_H
#define LF_PARTITIONER_H

#include <stdint.h>

#include "lf/murmur2.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { LF_PARTITION_MURMUR2 = 0, LF_PARTITION_XXH3 = 1 };

static inline int32_t lf_partition_of(int partitioner, const void *key, size_t n, int32_t partitions) {
    if (partitioner == LF_PARTITION_XXH3) return (int32_t)(XXH3_64bits(key, n) % (uint64_t)partitions);
    return lf_murmur2_partition(key, n, partitions);
}

#endif
